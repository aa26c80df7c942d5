"""Pages of training jobs: the list, the form of a new one, and a job with its live parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from common.errors import ConflictError, DomainError, Fault, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.selectors import get_dataset, latest_version
from engine.config import Parameter
from training import selectors, services
from training.downloads import adapter_response
from training.forms import (
    LORA_PREFIX,
    PRESETS,
    TRAINING_PREFIX,
    TrainingJobForm,
    choice_label,
    default_values,
    job_values,
    pattern_text,
    preset_values,
)
from training.fragments import ALL_PIECES, job_context, render_pieces
from training.models import TrainingJob
from training.templatetags.training_tags import NOTHING

JOBS_PER_PAGE = 20
NEW_PAGE = "training/job_new.html"


@login_required
@require_GET
def job_list(request: AuthenticatedRequest) -> HttpResponse:
    jobs = selectors.jobs_visible_to(request.user)
    page = Paginator(jobs, JOBS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "has_active": any(job.is_active for job in page)}
    return render_partial(request, "training/job_list.html", "job-list", context)


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


@login_required
@require_GET
def job_detail(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = _get_job(request, job_id)
    return render(request, "training/job_detail.html", _detail_context(job))


@login_required
@require_GET
def job_live(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """The live parts, for a page whose socket is closed."""
    return HttpResponse(render_pieces(_get_job(request, job_id), ALL_PIECES))


@login_required
@require_POST
def job_cancel(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return _ask(request, job_id, services.cancel_training_job)


@login_required
@require_POST
def job_stop(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return _ask(request, job_id, services.stop_training_job)


def _ask(
    request: AuthenticatedRequest, job_id: UUID, service: Callable[[TrainingJob], TrainingJob]
) -> HttpResponse:
    """Ask something of a job that may have ended meanwhile; the page says either way how it stands."""
    job = _get_job(request, job_id)
    refusal = ""
    try:
        job = service(job)
    except ConflictError as error:
        refusal = str(error.message)
    if not request.htmx:
        if refusal:
            messages.info(request, refusal)
        return redirect("training:job_detail", job_id=job.pk)
    response = HttpResponse(render_pieces(job, ALL_PIECES))
    return trigger_client_event(response, "toast", {"value": refusal}) if refusal else response


@login_required
@require_http_methods(["GET", "POST"])
def job_delete(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = _get_job(request, job_id)
    if request.method == "GET":
        return render(request, "training/job_delete.html", {"job": job})
    try:
        services.delete_training_job(job)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("training:job_detail", job_id=job.pk)
    messages.success(request, _("The job “%(name)s” was deleted.") % {"name": job.name})
    return redirect("training:job_list")


@login_required
@require_GET
def job_adapter(request: AuthenticatedRequest, job_id: UUID) -> HttpResponseBase:
    job = _get_job(request, job_id)
    try:
        return adapter_response(job)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("training:job_detail", job_id=job.pk)


def _get_job(request: AuthenticatedRequest, job_id: UUID) -> TrainingJob:
    try:
        return selectors.get_job(request.user, job_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


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
    return services.create_training_job(
        request.user,
        name=values["name"],
        base_model_name=values["base_model"],
        dataset_id=values["dataset"].pk,
        eval_dataset_id=values["eval_dataset"] and values["eval_dataset"].pk,
        sample_prompts=form.asked_prompts(),
        lora_config=form.settings_of(LORA_PREFIX),
        training_config=form.settings_of(TRAINING_PREFIX),
        idempotency_key=values["idempotency_key"],
    )


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
    plan = services.plan_training_job(
        base_model=base_model,
        dataset_version=latest_version(dataset),
        eval_dataset_version=latest_version(eval_dataset) if eval_dataset else None,
        lora=lora,
        training=training,
    )
    return {"plan": plan, "epochs": training.num_epochs, "base_model": base_model}


def _detail_context(job: TrainingJob) -> dict[str, Any]:
    groups = [
        (_("Adapter"), _settings_rows(job.lora.parameters(), job.lora.to_dict())),
        (_("Training"), _settings_rows(job.training.parameters(), job.training.to_dict())),
    ]
    if job.eval_dataset_version is not None:
        name = job.eval_dataset_version.dataset.name
        groups.append((_("Evaluation"), [(_("Evaluation dataset"), name, "")]))
    return job_context(job) | {"setting_groups": groups}


def _settings_rows(
    parameters: dict[str, Parameter], values: dict[str, Any]
) -> list[tuple[Any, str, Any]]:
    return [
        (
            gettext_lazy(parameter.label),
            _setting_text(name, values[name]),
            gettext_lazy(parameter.help),
        )
        for name, parameter in parameters.items()
    ]


def _setting_text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return pattern_text(value) or NOTHING
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(choice_label(name, value))
