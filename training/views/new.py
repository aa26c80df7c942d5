"""The form of a new job, and its plan."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from common.errors import DomainError, Fault, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.selectors import get_dataset, latest_version
from training import selectors
from training.forms import (
    LORA_PREFIX,
    PRESETS,
    TRAINING_PREFIX,
    TrainingJobForm,
    default_values,
    job_values,
    preset_values,
)
from training.models import TrainingJob
from training.services.creating import create_training_job
from training.services.ordering import JobOrder
from training.services.planning import plan_training_job

NEW_PAGE = "training/job_new.html"


@login_required
@require_http_methods(["GET", "POST"])
def job_new(request: AuthenticatedRequest) -> HttpResponse:
    if request.method == "GET":
        form = TrainingJobForm(initial=_first_values(request), user=request.user)
        return render(request, NEW_PAGE, {"form": form, "plan": _plan_context(form)})
    form = TrainingJobForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            job = _create_job(request, form)
            return redirect("training:job_detail", job_id=job.pk)
        except DomainError as error:
            form.add_faults(error.faults or [Fault(error.message)])
    context = {"form": form, "plan": _plan_context(form)}
    return render_partial(request, NEW_PAGE, "job-form", context, status=422)


@login_required
@require_POST
def job_settings(request: AuthenticatedRequest) -> HttpResponse:
    """The form's values after a preset was chosen; what the person typed elsewhere stays."""
    group = request.POST.get("group", "")
    if group not in PRESETS:
        raise Http404
    values = _typed_values(request.POST) | preset_values(
        group, request.POST.get(f"{group}_preset", "")
    )
    form = TrainingJobForm(initial=values, user=request.user)
    response = render(request, "training/job_settings.html", {"form": form})
    return trigger_client_event(response, "settings-changed", after="swap")


@login_required
@require_POST
def job_plan(request: AuthenticatedRequest) -> HttpResponse:
    """What the job would do with the values as they stand in the form."""
    form = TrainingJobForm(request.POST, user=request.user)
    return render(request, "training/job_plan.html", {"plan": _plan_context(form)})


def _first_values(request: AuthenticatedRequest) -> dict[str, Any]:
    """Defaults, or the job to repeat, and the dataset that the address names."""
    values = default_values() | {"idempotency_key": str(uuid4())}
    with suppress(NotFoundError):
        if "from" in request.GET:
            values |= job_values(selectors.get_job(request.user, request.GET["from"]))
    with suppress(NotFoundError):
        if "dataset" in request.GET:
            dataset = get_dataset(request.user, request.GET["dataset"])
            values |= {"dataset": dataset.pk, "name": dataset.name}
    return values


def _typed_values(data: QueryDict) -> dict[str, Any]:
    return {
        name: data.getlist(name) if name == f"{LORA_PREFIX}.target_modules" else data[name]
        for name in data
    }


def _create_job(request: AuthenticatedRequest, form: TrainingJobForm) -> TrainingJob:
    values = form.cleaned_data
    order = JobOrder(
        name=values["name"],
        base_model_name=values["base_model"],
        dataset_id=values["dataset"].pk,
        eval_dataset_id=values["eval_dataset"] and values["eval_dataset"].pk,
        sample_prompts=form.asked_prompts(),
        lora_config=form.settings_of(LORA_PREFIX),
        training_config=form.settings_of(TRAINING_PREFIX),
    )
    return create_training_job(request.user, order, idempotency_key=values["idempotency_key"])


def _plan_context(form: TrainingJobForm) -> dict[str, Any]:
    """The plan, or what is still missing for one."""
    settings = form.read_settings()
    if settings is None:
        return {"faults": form.setting_faults()}
    dataset, base_model = form.chosen_dataset(), form.chosen_base_model()
    if dataset is None or base_model is None:
        return {"lacks_dataset": dataset is None}
    lora, training = settings
    eval_dataset = form.chosen_dataset("eval_dataset")
    plan = plan_training_job(
        base_model=base_model,
        dataset_version=latest_version(dataset),
        eval_dataset_version=latest_version(eval_dataset) if eval_dataset else None,
        lora=lora,
        training=training,
    )
    return {"plan": plan, "epochs": training.num_epochs, "base_model": base_model}
