"""The form of a new job, and everything that is told of it before it starts."""

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
from datasets_app.selectors import get_dataset
from engine.config import read_value
from training import selectors
from training.forms import (
    KINDS,
    LORA_PREFIX,
    OWN_SETTINGS,
    PRESETS,
    TRAINING_PREFIX,
    MinutesForm,
    TrainingJobForm,
    default_values,
    job_values,
    preset_field,
    preset_values,
)
from training.models import TrainingJob
from training.preflight.page import fit_context, plan_context, rows_context
from training.services.creating import create_training_job
from training.services.ordering import JobOrder

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
    return render(request, "training/job_plan.html", {"plan": _plan_context(form), "is_oob": True})


@login_required
@require_POST
def job_rows(request: AuthenticatedRequest) -> HttpResponse:
    """The first examples as the chosen model will see them."""
    form = TrainingJobForm(request.POST, user=request.user)
    draft = form.draft()
    rows = _lacking(form) if draft is None else rows_context(draft)
    return render(request, "training/job_rows.html", {"rows": rows})


@login_required
@require_POST
def job_fit(request: AuthenticatedRequest) -> HttpResponse:
    """Settings with which the job is done in so many minutes."""
    minutes, form = MinutesForm(request.POST), TrainingJobForm(request.POST, user=request.user)
    draft = form.draft()
    if not minutes.is_valid():
        fit: dict[str, Any] = {"fault": minutes.errors["minutes"][0]}
    elif draft is None:
        fit = _lacking(form)
    else:
        fit = fit_context(draft, minutes.cleaned_data["minutes"])
    return render(request, "training/job_fit.html", {"fit": fit})


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
    return values | _asked_settings(request.GET)


def _asked_settings(data: QueryDict) -> dict[str, Any]:
    """Settings that the address names; what can not be read is left out."""
    asked: dict[str, Any] = {}
    for prefix, kind in KINDS.items():
        for name, parameter in kind.parameters().items():
            text = data.get(f"{prefix}.{name}")
            if text is None or parameter.kind in ("modules", "pattern"):
                continue
            with suppress(ValueError):
                value = text if parameter.kind == "choice" else float(text)
                asked[f"{prefix}.{name}"] = read_value(name, parameter, value)
                asked[preset_field(prefix)] = OWN_SETTINGS
    return asked


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
        cohort_id=values.get("cohort_id") or None,
        prediction=values["prediction"],
    )
    return create_training_job(request.user, order, idempotency_key=values["idempotency_key"])


def _plan_context(form: TrainingJobForm) -> dict[str, Any]:
    """The plan, or what is still missing for one."""
    draft = form.draft()
    return _lacking(form) if draft is None else plan_context(draft)


def _lacking(form: TrainingJobForm) -> dict[str, Any]:
    """What has to be chosen or corrected before anything can be told."""
    if form.read_settings() is None:
        return {"faults": form.setting_faults()}
    return {"lacks_dataset": form.chosen_dataset() is None}
