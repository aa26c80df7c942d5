"""Runs of prompt sets: a new one, its progress, and what came of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.notifications import mark_seen
from chat.forms.faults import add_domain_error
from chat.forms.prompt_runs import COURSE, DATASET, OFFERED_SETTINGS, SET, RunForm
from chat.models import PromptRun
from chat.prompt_sets.export import export_response
from chat.prompt_sets.finding import answer_texts, get_run
from chat.prompt_sets.progress import progress_of
from chat.prompt_sets.results import results_of
from chat.prompt_sets.table import FILTERS, ORDERS, narrowed, rows_of
from chat.prompt_sets.wording import outcomes_of, source_words
from chat.selectors import talkable_jobs
from chat.services.prompt_runs import MAX_MODELS, cancel_run, delete_run, start_run
from common.errors import DomainError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from training.models import TrainingJob

ROWS_PER_PAGE = 25


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def prompt_run_new(request: AuthenticatedRequest) -> HttpResponse:
    form = RunForm(
        request.user,
        request.POST or None,
        job=_wanted_job(request),
        wanted=_wanted_questions(request),
    )
    if request.method == "POST" and form.is_valid():
        try:
            run = start_run(request.user, form.order())
            return redirect("chat:prompt_run", run.pk)
        except DomainError as error:
            places = dict.fromkeys(("dataset_id", "prompt", "reference", "items"), "questions")
            add_domain_error(form, error, names={"message": "system_prompt"} | places)
    status = 422 if form.errors else 200
    context = {"form": form, "most_models": MAX_MODELS}
    return render(request, "chat/prompt_run_new.html", context, status=status)


@login_required
@require_GET
def prompt_run(request: AuthenticatedRequest, run_id: UUID) -> HttpResponse:
    """Its progress while it is under way, its results once it is over."""
    run = _owned_run(request, run_id)
    context: dict[str, Any] = {
        "run": run,
        "source_words": source_words(run),
        "settings": _setting_words(run),
    }
    if run.completed_at is None:
        context["progress"] = progress_of(run)
    else:
        mark_seen(request.user, subject=str(run.pk))
        context |= _results_context(request, run)
    return render_partial(request, "chat/prompt_run_detail.html", "run-live", context)


@login_required
@require_POST
def prompt_run_cancel(request: AuthenticatedRequest, run_id: UUID) -> HttpResponse:
    run = _owned_run(request, run_id)
    if cancel_run(run):
        notices.success(request, _("The run is stopped. What was answered by now stays."))
    else:
        notices.info(request, _("The run was over already."))
    return redirect("chat:prompt_run", run.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def prompt_run_delete(request: AuthenticatedRequest, run_id: UUID) -> HttpResponse:
    run = _owned_run(request, run_id)
    if request.method != "POST":
        return render(request, "chat/prompt_run_delete.html", {"run": run})
    name = run.session.name
    delete_run(run)
    notices.success(request, _("The run of “%(name)s” is deleted.") % {"name": name})
    return redirect("chat:prompt_set_list")


@login_required
@require_GET
def prompt_run_export(request: AuthenticatedRequest, run_id: UUID) -> HttpResponse:
    run = _owned_run(request, run_id)
    try:
        return export_response(run, results_of(run), request.GET.get("format", "csv"))
    except InvalidInputError as error:
        notices.error(request, str(error.message))
        return redirect("chat:prompt_run", run.pk)


def _results_context(request: AuthenticatedRequest, run: PromptRun) -> dict[str, Any]:
    results = results_of(run)
    show, order = request.GET.get("show", ""), request.GET.get("order", "")
    show, order = show if show in FILTERS else "all", order if order in ORDERS else "number"
    rows = rows_of(run, results, answer_texts(run))
    has_references = any(row.reference for row in rows)
    page = Paginator(narrowed(rows, show, order), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    counts = {name: sum(map(is_shown, rows)) for name, is_shown in FILTERS.items()}
    outcomes = outcomes_of(run, results)
    return {
        "outcomes": outcomes,
        "has_references": has_references,
        "has_figures": any(outcome.figures for outcome in outcomes),
        "page": page,
        "filters": [
            (name, label, counts[name], name == show)
            for name, label in _filter_labels()
            if counts[name] or name in ("all", show)
        ],
        "orders": [(name, label, name == order) for name, label in _order_labels()],
        "show": show,
        "order": order,
    }


def _filter_labels() -> list[tuple[str, str]]:
    return [
        ("all", _("All questions")),
        ("disagree", _("Models disagree")),
        ("one_right", _("Only one is right")),
        ("none_right", _("None is right")),
        ("failed", _("Not answered by all")),
    ]


def _order_labels() -> list[tuple[str, str]]:
    return [
        ("number", _("As asked")),
        ("gap", _("Farthest apart first")),
        ("hardest", _("Hardest first")),
    ]


def _setting_words(run: PromptRun) -> list[tuple[str, Any]]:
    form_labels = {
        "max_tokens": _("Maximum tokens"),
        "temperature": _("Temperature"),
        "seed": _("Seed"),
    }
    sampling = run.results["sampling"]
    return [(form_labels[name], sampling[name]) for name in OFFERED_SETTINGS]


def _wanted_job(request: AuthenticatedRequest) -> TrainingJob | None:
    """The job of the address, when its adapter can be asked."""
    try:
        return talkable_jobs(request.user).filter(pk=UUID(request.GET.get("job", ""))).first()
    except ValueError:
        return None


def _wanted_questions(request: AuthenticatedRequest) -> str:
    for kind in (SET, COURSE, DATASET):
        if wanted := request.GET.get(kind):
            return f"{kind}:{wanted}"
    return ""


def _owned_run(request: AuthenticatedRequest, run_id: UUID) -> PromptRun:
    try:
        return get_run(request.user, run_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
