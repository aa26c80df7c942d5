"""The training jobs of a class as a list, and several of them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, QueryDict
from django.urls import path, reverse
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from courses.instructor.frame import PROJECTED, Classroom, for_reviewers, render_page
from courses.selectors.class_curves import MOST_CURVES, class_curves
from courses.selectors.runs import (
    COLUMNS,
    ROWS_PER_PAGE,
    OwnerNames,
    RunFilters,
    base_models_of,
    jobs_of_cohort,
    run_rows,
)
from training.comparing.curves import X_AXES
from training.comparing.page import ComparedJob, comparison_of, plots_of
from training.comparing.selection import MAX_JOBS, MIN_JOBS, count_sentence, jobs_among
from training.models import TrainingJob


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column: its link sorts by it, or turns the order around.

    Attributes:
        order: ascending or descending, as ARIA calls it; empty where another column sorts.
    """

    title: str | Promise
    query: str
    order: str
    is_number: bool


@require_safe
@for_reviewers
def runs(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    cohort, is_projected = classroom.cohort, classroom.is_projected
    filters = RunFilters.from_address(request.GET, is_projected=classroom.is_projected)
    jobs = filters.apply(jobs_of_cohort(cohort), is_projected=is_projected)
    page = Paginator(jobs, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    names = OwnerNames.of(cohort, is_projected=is_projected)
    context = {
        "page": page,
        "rows": run_rows(cohort, page.object_list, names),
        "has_active": any(job.is_active for job in page.object_list),
        "filters": filters,
        "headings": [_heading(request.GET, filters.sort, index) for index in range(len(COLUMNS))],
        "statuses": TrainingJob.Status.choices,
        "students": names.choices,
        "base_models": base_models_of(cohort),
        "curves_query": _changed(request.GET, page="", sort=""),
        "minimum": MIN_JOBS,
        "maximum": MAX_JOBS,
    }
    return render_page(request, classroom, "runs", context, partial="runs-list")


@require_safe
@for_reviewers
def runs_compare(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """The jobs that the address names; of their students' lessons nothing is noted here."""
    try:
        jobs = jobs_among(jobs_of_cohort(classroom.cohort), request.GET.getlist("job"))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    sentence = count_sentence(len(jobs))
    context: dict[str, Any] = {"sentence": sentence}
    if not sentence:
        context |= _comparison(request, classroom, jobs)
    return render_page(
        request,
        classroom,
        "runs",
        context,
        template="runs_compare",
        partial="comparison",
        status=422 if sentence else 200,
    )


@require_safe
@for_reviewers
def runs_curves(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """The curves of all jobs that the list is narrowed to, and over them those that are chosen."""
    filters = RunFilters.from_address(request.GET, is_projected=classroom.is_projected)
    x = request.GET.get("x")
    x = x if x in X_AXES else "step"
    names = OwnerNames.of(classroom.cohort, is_projected=classroom.is_projected)
    curves = class_curves(classroom.cohort, filters, request.GET.getlist("job"), x, names)
    context = {
        "curves": curves,
        "filters": filters,
        "x": x,
        "x_links": [(name, f"?{_changed(request.GET, x=name)}") for name in X_AXES],
        "maximum": MAX_JOBS,
        "most": MOST_CURVES,
        "list_query": _changed(request.GET, x="", job=""),
    }
    return render_page(
        request, classroom, "runs", context, template="runs_curves", partial="class-curves"
    )


def _changed(query: QueryDict, **values: str) -> str:
    """The query string with other values; an empty one is taken out."""
    changed = query.copy()
    for name, value in values.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    return changed.urlencode()


def _comparison(
    request: AuthenticatedRequest, classroom: Classroom, jobs: list[TrainingJob]
) -> dict[str, Any]:
    x = request.GET.get("x")
    x = x if x in X_AXES else "step"
    names = OwnerNames.of(classroom.cohort, is_projected=classroom.is_projected)
    jobs = [names.shown(job) for job in jobs]
    comparison = comparison_of(jobs, {job.owner_id: names.of_job(job) for job in jobs})
    return {
        "comparison": comparison,
        "plots": plots_of(comparison, x),
        # Questions and answers are in the words of students.
        "prompts": [] if classroom.is_projected else comparison.prompt_columns,
        "x": x,
        "x_links": [(name, _compare_address(classroom, jobs, name)) for name in X_AXES],
        "column_heads": [
            (entry, run_address(classroom, entry.job), _address_without(classroom, jobs, entry, x))
            for entry in comparison.jobs
        ],
    }


def run_address(classroom: Classroom, job: TrainingJob) -> str:
    """Of the page of one job of the class."""
    return _projected(classroom, reverse("classroom:run", args=[classroom.cohort.pk, job.pk]), [])


def _address_without(
    classroom: Classroom, jobs: list[TrainingJob], entry: ComparedJob, x: str
) -> str:
    rest = [job for job in jobs if job.pk != entry.job.pk]
    return _compare_address(classroom, rest, x) if len(rest) >= MIN_JOBS else ""


def _compare_address(classroom: Classroom, jobs: list[TrainingJob], x: str) -> str:
    address = reverse("classroom:runs_compare", args=[classroom.cohort.pk])
    return _projected(classroom, address, [*(("job", str(job.pk)) for job in jobs), ("x", x)])


def _projected(classroom: Classroom, address: str, query: list[tuple[str, str]]) -> str:
    if classroom.is_projected:
        query = [*query, (PROJECTED, "1")]
    return f"{address}?{urlencode(query)}" if query else address


def _heading(query: QueryDict, sort: str, index: int) -> Heading:
    column = COLUMNS[index]
    order = {column.key: "ascending", f"-{column.key}": "descending"}.get(sort, "")
    following = f"-{column.key}" if order == "ascending" else column.key
    return Heading(
        column.title, f"?{_changed(query, page='', sort=following)}", order, column.is_number
    )


urlpatterns = [
    path("<uuid:cohort_id>/runs/", runs, name="runs"),
    path("<uuid:cohort_id>/runs/compare/", runs_compare, name="runs_compare"),
    path("<uuid:cohort_id>/runs/curves/", runs_curves, name="runs_curves"),
]
