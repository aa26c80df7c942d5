"""Ask for help at a step, see who comes, take it back."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common.errors import ConflictError, InvalidInputError, NotFoundError, TooManyRequestsError
from common.http import AuthenticatedRequest
from courses.models import Enrolment
from courses.selectors.helping import shown_help
from courses.selectors.progress import standing_of
from courses.services.helping import raise_hand, take_back
from courses.views.steps import own_enrolment, show_step


@login_required
@require_safe
def step_help(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    """How the request stands, for the page that waits for it; 204 while it stands as the page says."""
    return _part(request, own_enrolment(request, slug), key, mark=request.GET.get("mark", ""))


@login_required
@require_POST
def step_help_ask(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    text = request.POST.get("text", "")
    try:
        raise_hand(enrolment, key, text)
    except NotFoundError as error:
        raise Http404(error.message) from error
    except (InvalidInputError, TooManyRequestsError) as error:
        return _refuse(request, enrolment, key, str(error.message), text)
    except ConflictError as error:
        return _answer(request, enrolment, key, str(error.message))
    return _answer(request, enrolment, key, _("Those who lead your class see that you wait."))


@login_required
@require_POST
def step_help_take_back(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    try:
        take_back(enrolment, key)
    except NotFoundError as error:
        return _answer(request, enrolment, key, str(error.message))
    return _answer(request, enrolment, key, _("You do not wait for help any more."))


def _answer(
    request: AuthenticatedRequest, enrolment: Enrolment, key: str, sentence: str
) -> HttpResponse:
    if request.htmx:
        return _part(request, enrolment, key)
    messages.info(request, sentence)
    return redirect(reverse("courses:step_detail", args=[enrolment.course.slug, key]) + "#help")


def _refuse(
    request: AuthenticatedRequest, enrolment: Enrolment, key: str, sentence: str, text: str
) -> HttpResponse:
    faults: dict[str | None, str] = {"help": sentence}
    given = {"help": text}
    if request.htmx:
        return _part(request, enrolment, key, status=422, faults=faults, given=given)
    return show_step(request, enrolment, key, status=422, faults=faults, given=given)


def _part(
    request: AuthenticatedRequest,
    enrolment: Enrolment,
    key: str,
    *,
    mark: str = "",
    status: int = 200,
    faults: dict[str | None, str] | None = None,
    given: dict[str, str] | None = None,
) -> HttpResponse:
    course = standing_of(enrolment)
    try:
        item = course.of(key)
    except NotFoundError as error:
        raise Http404(error.message) from error
    shown = shown_help(course, item)
    if mark and mark == shown.mark:
        return HttpResponse(status=204)
    context = {
        "help": shown,
        "slug": course.enrolment.course.slug,
        "key": key,
        "faults": faults or {},
        "given": given or {},
    }
    return render(request, "courses/step_help.html", context, status=status)
