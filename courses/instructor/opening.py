"""Open a step of a course for the whole class, and close it again, from the page of the course."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders
from courses.selectors.class_content import taken_course
from courses.services.opening import close_step, open_step
from courses.wording.opening import closed_sentence, opened_sentence


@require_POST
@for_leaders
def content_step_open(
    request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str
) -> HttpResponse:
    messages.success(request, open_for_all(request, classroom, slug, key))
    return redirect(classroom.address("content_course", slug))


@require_POST
@for_leaders
def content_step_close(
    request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str
) -> HttpResponse:
    try:
        closing = close_step(request.user, taken_course(classroom.cohort, slug), key)
    except NotFoundError as error:
        raise Http404(error.message) from error
    if closing is None:
        messages.info(request, _("The step was not open for the whole class, so nothing changed."))
    else:
        messages.success(request, closed_sentence(closing.kept, closing.locked))
    return redirect(classroom.address("content_course", slug))


def open_for_all(request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str) -> str:
    """What happened, in a sentence.

    Raises:
        Http404: the class takes no such course, or it has no such step.
    """
    try:
        is_new = open_step(request.user, taken_course(classroom.cohort, slug), key)
    except NotFoundError as error:
        raise Http404(error.message) from error
    return opened_sentence(is_new=is_new)


urlpatterns = [
    path(
        "<uuid:cohort_id>/content/<slug:slug>/steps/<slug:key>/open/",
        content_step_open,
        name="content_step_open",
    ),
    path(
        "<uuid:cohort_id>/content/<slug:slug>/steps/<slug:key>/close/",
        content_step_close,
        name="content_step_close",
    ),
]
