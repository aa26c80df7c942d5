"""The gradebook: students by steps, and the same as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from common.safe_csv import write_rows
from courses.instructor.frame import PROJECTED, Classroom, for_reviewers, render_page
from courses.selectors.grade_sheet import sheet_rows
from courses.selectors.gradebook import SORTINGS, Cell, Gradebook, Row, Sorting, gradebook
from courses.selectors.pinned import PinnedCourse, pinned_course, pinned_courses
from courses.wording.grades import STANDINGS, Look, look_of, points_of
from datasets_app.versions.downloads import DownloadResponse

TAB = "gradebook"
LOOK = "courses/instructor/gradebook_look.html"


@dataclass(frozen=True, slots=True)
class _ShownRow:
    """cells: address and look of each."""

    row: Row
    total: str
    cells: list[tuple[str, str]]


@require_safe
@for_reviewers
def gradebook_page(
    request: AuthenticatedRequest, classroom: Classroom, slug: str = ""
) -> HttpResponse:
    courses = pinned_courses(classroom.cohort)
    if not courses and not slug:
        return render_page(request, classroom, TAB, {"courses": []})
    course = course_or_404(courses, slug)
    wanted = request.GET.get("sort", "")
    sorting: Sorting = next((known for known in SORTINGS if known == wanted), "name")
    book = gradebook(classroom.cohort, course, is_projected=classroom.is_projected, sorting=sorting)
    context = {
        "courses": course_links(classroom, courses, course, "gradebook_course"),
        "course": course,
        "book": book,
        "rows": _shown_rows(classroom, book),
        "heads": [
            _head(classroom, sorting, "name", _("Student")),
            _head(classroom, sorting, "total", _("Points")),
            _head(classroom, sorting, "percent", _("Progress")),
        ],
        "empty_columns": len(book.columns) + 2,
        "legend": STANDINGS.items(),
        "import_address": classroom.address("gradebook_import"),
        "exempt_address": classroom.address("gradebook_exempt", course.slug),
    }
    return render_page(request, classroom, TAB, context)


@require_safe
@for_reviewers
def gradebook_export(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponseBase:
    """`?course=` names one; without it all courses of the class."""
    courses = pinned_courses(classroom.cohort)
    slug = request.GET.get("course", "")
    chosen = [course_or_404(courses, slug)] if slug else courses
    books = [gradebook(classroom.cohort, course) for course in chosen]
    day = f"{timezone.localdate():%Y-%m-%d}"
    name = "-".join(filter(None, [classroom.cohort.name, slug, day]))
    return DownloadResponse(write_rows(sheet_rows(books)), f"{name}.csv")


def course_or_404(courses: list[PinnedCourse], slug: str) -> PinnedCourse:
    """The first one where none is named."""
    try:
        return pinned_course(courses, slug or courses[0].slug)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def course_links(
    classroom: Classroom, courses: list[PinnedCourse], current: PinnedCourse, name: str
) -> list[dict[str, Any]]:
    return [
        {
            "title": course.title,
            "address": classroom.address(name, course.slug),
            "is_current": course is current,
        }
        for course in courses
    ]


def _shown_rows(classroom: Classroom, book: Gradebook) -> list[_ShownRow]:
    """Thousands of cells: what is alike in them is worked out once."""
    base = reverse("classroom:gradebook", args=[classroom.cohort.pk])
    suffix = f"?{PROJECTED}=1" if classroom.is_projected else ""
    looks: dict[Look, str] = {}

    def shown(row: Row, cell: Cell) -> tuple[str, str]:
        look = look_of(cell)
        if look not in looks:
            looks[look] = render_to_string(LOOK, {"look": look})
        address = f"{base}{row.enrolment_id}/{cell.key}/{suffix}" if cell.standing else ""
        return address, looks[look]

    return [
        _ShownRow(
            row,
            points_of(row.total, row.max_total),
            [shown(row, cell) for cell in row.cells],
        )
        for row in book.rows
    ]


def _head(classroom: Classroom, sorting: str, key: str, title: str) -> dict[str, str]:
    """A column by which the table can be sorted: first numbers downwards, names upwards."""
    first, second = (key, f"-{key}") if key == "name" else (f"-{key}", key)
    following = second if sorting == first else first
    order = ""
    if sorting.removeprefix("-") == key:
        order = "descending" if sorting.startswith("-") else "ascending"
    projected = f"&{PROJECTED}=1" if classroom.is_projected else ""
    return {"title": title, "query": f"?sort={following}{projected}", "order": order}


urlpatterns = [
    path("<uuid:cohort_id>/gradebook/", gradebook_page, name="gradebook"),
    path("<uuid:cohort_id>/gradebook/export/", gradebook_export, name="gradebook_export"),
    path(
        "<uuid:cohort_id>/gradebook/courses/<slug:slug>/", gradebook_page, name="gradebook_course"
    ),
]
