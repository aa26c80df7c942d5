"""The steps of a course over a whole class: where it gets stuck, and on what."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_reviewers, render_page
from courses.instructor.gradebook import course_links, course_or_404
from courses.selectors.funnel import Funnel, Stage, funnel
from courses.selectors.pinned import pinned_courses
from courses.wording.funnel import narrow_sentence

TAB = "funnel"


@dataclass(frozen=True, slots=True)
class _Bar:
    """Widths are percentages of those who began the course, as text that no locale changes."""

    stage: Stage
    reached: str
    passed: str


@require_safe
@for_reviewers
def funnel_page(
    request: AuthenticatedRequest, classroom: Classroom, slug: str = ""
) -> HttpResponse:
    courses = pinned_courses(classroom.cohort)
    if not courses and not slug:
        return render_page(request, classroom, TAB, {"courses": []})
    course = course_or_404(courses, slug)
    found = funnel(classroom.cohort, course, is_projected=classroom.is_projected)
    context = {
        "courses": course_links(classroom, courses, course, "funnel_course"),
        "course": course,
        "funnel": found,
        "bars": _bars(found),
        "narrow": [narrow_sentence(stage) for stage in found.narrow],
    }
    return render_page(request, classroom, TAB, context)


def _bars(found: Funnel) -> list[_Bar]:
    whole = max(1, found.begun_count)
    return [
        _Bar(
            stage,
            f"{100 * stage.reached / whole:.2f}%",
            f"{100 * stage.passed / whole:.2f}%",
        )
        for stage in found.stages
    ]


urlpatterns = [
    path("<uuid:cohort_id>/funnel/", funnel_page, name="funnel"),
    path("<uuid:cohort_id>/funnel/courses/<slug:slug>/", funnel_page, name="funnel_course"),
]
