"""Exempt several students from one step."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from common.errors import InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.forms.grading import ExemptForm
from courses.instructor.frame import Classroom, for_leaders, render_page
from courses.instructor.gradebook import TAB, course_or_404
from courses.selectors.gradebook import Gradebook, gradebook
from courses.selectors.pinned import pinned_courses
from courses.selectors.progress import DONE
from courses.services.grading import exempt_many


@require_http_methods(["GET", "HEAD", "POST"])
@for_leaders
def gradebook_exempt(
    request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str = ""
) -> HttpResponse:
    """Choose a step first, then the students who have not done it."""
    course = course_or_404(pinned_courses(classroom.cohort), slug)
    book = gradebook(classroom.cohort, course, is_projected=classroom.is_projected)
    column = next((column for column in book.columns if column.key == key), None)
    if key and column is None:
        raise Http404(_("This course has no such step. It may have been renamed."))
    context: dict[str, Any] = {
        "course": course,
        "column": column,
        "steps": _steps(classroom, book),
        "back_address": classroom.address("gradebook_course", slug),
        "choose_address": classroom.address("gradebook_exempt", slug),
    }
    status = 200
    if column is not None:
        form = ExemptForm(request.POST or None, students=_candidates(book, key))
        if request.method == "POST" and form.is_valid():
            try:
                return _exempt(request, classroom, slug, key, form)
            except NotFoundError as error:
                form.add_error("students", str(error.message))
            except InvalidInputError as error:
                form.add_error("reason", str(error.message))
        status = 422 if request.method == "POST" else 200
        context |= {"form": form, "address": classroom.address("gradebook_exempt_step", slug, key)}
    return render_page(request, classroom, TAB, context, template="gradebook_exempt", status=status)


def _exempt(
    request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str, form: ExemptForm
) -> HttpResponse:
    exempted, done = exempt_many(
        request.user,
        classroom.cohort,
        enrolment_ids=form.enrolment_ids,
        step_key=key,
        reason=form.cleaned_data["reason"],
    )
    sentence = ngettext(
        "%(count)d student is exempt from this step.",
        "%(count)d students are exempt from this step.",
        exempted,
    )
    messages.success(request, sentence % {"count": exempted})
    if done:
        passed = ngettext(
            "%(count)d student had done it meanwhile, and was left as is.",
            "%(count)d students had done it meanwhile, and were left as they are.",
            done,
        )
        messages.info(request, passed % {"count": done})
    return redirect(classroom.address("gradebook_course", slug))


def _candidates(book: Gradebook, key: str) -> list[tuple[str, str]]:
    """Who takes the course and has not done the step."""
    return [
        (str(row.enrolment_id), row.name)
        for row in book.rows
        for cell in row.cells
        if cell.key == key and cell.standing is not None and cell.standing not in DONE
    ]


def _steps(classroom: Classroom, book: Gradebook) -> list[dict[str, Any]]:
    return [
        {
            "title": column.title,
            "count": len(_candidates(book, column.key)),
            "address": classroom.address("gradebook_exempt_step", book.course.slug, column.key),
        }
        for column in book.columns
    ]


urlpatterns = [
    path(
        "<uuid:cohort_id>/gradebook/courses/<slug:slug>/exempt/",
        gradebook_exempt,
        name="gradebook_exempt",
    ),
    path(
        "<uuid:cohort_id>/gradebook/courses/<slug:slug>/exempt/<slug:key>/",
        gradebook_exempt,
        name="gradebook_exempt_step",
    ),
]
