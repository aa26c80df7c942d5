"""A new sweep: the job that it starts from, the values, and what they will cost."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from common.errors import DomainError, Fault, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from training.models import TrainingJob
from training.selectors import get_job, jobs_visible_to
from training.services.sweeping import create_sweep, plan_sweep, queue_refusal
from training.sweeping.axes import MAX_JOBS
from training.views.sweep_form import SweepForm, first_values

NEW_PAGE = "training/sweep_new.html"
CHOICES = 30


@login_required
@require_http_methods(["GET", "POST"])
def sweep_new(request: AuthenticatedRequest) -> HttpResponse:
    if not request.GET.get("from"):
        jobs = jobs_visible_to(request.user)[:CHOICES]
        return render(request, "training/sweep_choose.html", {"jobs": jobs})
    source = _get_source(request)
    if request.method == "GET":
        first = first_values(source)
        form = SweepForm(initial=first, source=source)
        plan = _plan_context(request.user, SweepForm(first, source=source))
        return render(request, NEW_PAGE, _context(form, source, plan))
    form = SweepForm(request.POST, source=source)
    plan = _plan_context(request.user, SweepForm(request.POST, source=source))
    if form.is_valid():
        try:
            sweep = create_sweep(
                request.user, form.order(), idempotency_key=form.cleaned_data["idempotency_key"]
            )
            return redirect("training:sweep_detail", sweep_id=sweep.pk)
        except DomainError as error:
            form.add_faults(error.faults or [Fault(error.message)])
    return render_partial(request, NEW_PAGE, "sweep-form", _context(form, source, plan), status=422)


@login_required
@require_POST
def sweep_plan(request: AuthenticatedRequest) -> HttpResponse:
    """What the sweep would do with the values as they stand in the form."""
    source = _get_source(request)
    form = SweepForm(request.POST, source=source)
    context = _context(form, source, _plan_context(request.user, form))
    return render(request, "training/sweep_plan.html", context | {"is_oob": True})


def _get_source(request: AuthenticatedRequest) -> TrainingJob:
    try:
        return get_job(request.user, request.GET.get("from", ""))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _context(form: SweepForm, source: TrainingJob, plan: dict[str, Any]) -> dict[str, Any]:
    return {"form": form, "source": source, "plan": plan, "limit": MAX_JOBS}


def _plan_context(user: User, form: SweepForm) -> dict[str, Any]:
    """The jobs with their estimates, or what is still in the way."""
    if not form.is_valid():
        return {"faults": [sentence for found in form.errors.values() for sentence in found]}
    try:
        plan = plan_sweep(user, form.order())
    except InvalidInputError as error:
        return {"faults": [str(fault.message) for fault in error.faults]}
    seconds = plan.estimated_seconds()
    return {
        "sweep": plan,
        "rows": [
            list(zip(plan.axes, combination, strict=True)) for combination in plan.combinations
        ],
        "seconds": sum(seconds) if seconds else None,
        "unknown_count": len(plan.jobs) - len(seconds),
        "refusal": queue_refusal(user, plan),
    }
