"""The list of courses, a course, and beginning it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.notifications import mark_seen
from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from courses.selectors.pages import catalogue, entry_of, step_rows
from courses.selectors.pinned import reading_language
from courses.selectors.progress import get_course
from courses.services.enrolling import begin_course
from courses.services.telling import due_subject


@login_required
@require_safe
def course_list(request: AuthenticatedRequest) -> HttpResponse:
    entries = catalogue(request.user, reading_language())
    return render(request, "courses/course_list.html", {"entries": entries})


@login_required
@require_safe
def course_detail(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    try:
        course = get_course(request.user, slug)
    except NotFoundError as error:
        raise Http404(error.message) from error
    entry = entry_of(request.user, course, reading_language())
    if entry is None:
        raise Http404
    language = reading_language()
    if entry.taken is not None:
        mark_seen(request.user, subject=due_subject(entry.taken.pk))
    context = {
        "entry": entry,
        "outcomes": entry.content.about.outcomes.texts(language),
        "steps": step_rows(entry.content, entry.standing, language),
    }
    return render(request, "courses/course_detail.html", context)


@login_required
@require_POST
def course_begin(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    try:
        course = get_course(request.user, slug)
        enrolment, _is_new = begin_course(request.user, course)
    except NotFoundError as error:
        raise Http404(error.message) from error
    except ConflictError as error:
        messages.warning(request, str(error.message))
        return redirect("courses:course_detail", slug)
    return redirect("courses:course_resume", enrolment.course.slug)
