"""The page of a step: its text, what it asks for, quizzes, reflections and hints."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.notifications import mark_seen
from common.errors import ConflictError, DomainError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.execution.verifying import verify_step
from courses.lesson_link import remember_lesson
from courses.models import Enrolment
from courses.selectors.feedback import feedback_on_step
from courses.selectors.helping import shown_help
from courses.selectors.measuring import shown_measuring
from courses.selectors.pages import StepPage, shown_checks, step_page
from courses.selectors.pinned import reading_language
from courses.selectors.progress import get_enrolment, standing_of
from courses.services.answering import answer_quiz, write_reflection
from courses.services.feedback import mark_read
from courses.services.hinting import open_hint
from courses.services.reading import BEAT_SECONDS, beat, open_step
from courses.services.telling import step_subject


@login_required
@require_safe
def course_resume(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Where the person left off, or what comes next."""
    item = standing_of(own_enrolment(request, slug)).current_step
    if item is None:
        return redirect("courses:course_detail", slug)
    return redirect("courses:step_detail", slug, item.step.key)


@login_required
@require_safe
def step_detail(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    try:
        open_step(enrolment, key)
    except NotFoundError as error:
        raise Http404(error.message) from error
    except ConflictError as error:
        messages.info(request, str(error.message))
        return redirect("courses:course_detail", slug)
    verify_step(enrolment, key)
    return show_step(request, enrolment, key)


@login_required
@require_safe
def step_go(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    """The page on which the step is done; the way back is shown there."""
    enrolment = own_enrolment(request, slug)
    page = _page(enrolment, key)
    if not page.action_address:
        return redirect("courses:step_detail", slug, key)
    address = reverse("courses:step_detail", args=[slug, key])
    remember_lesson(request, address=address, title=page.title)
    return redirect(page.action_address)


@login_required
@require_POST
def step_beat(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    """The page is in front of the person; what its checks find now is its answer."""
    enrolment = own_enrolment(request, slug)
    try:
        beat(enrolment, key)
        verify_step(enrolment, key)
    except (NotFoundError, ConflictError) as error:
        raise Http404(error.message) from error
    return _checks(request, enrolment, key)


@login_required
@require_POST
def step_check(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    """Look now, because the person thinks that it is done."""
    enrolment = own_enrolment(request, slug)
    try:
        verify_step(enrolment, key, is_try=True)
    except (NotFoundError, ConflictError) as error:
        raise Http404(error.message) from error
    if request.htmx:
        return _checks(request, enrolment, key)
    return redirect("courses:step_detail", slug, key)


@login_required
@require_POST
def step_quiz(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    page = _page(enrolment, key)
    answers = {
        question.key: _answer(question.kind, request.POST.getlist(f"q-{question.key}"))
        for question in page.questions
    }
    try:
        answer_quiz(enrolment, key, answers)
    except InvalidInputError as error:
        faults = {fault.field: str(fault.message) for fault in error.faults}
        return show_step(request, enrolment, key, status=422, faults=faults, given=answers)
    return redirect(reverse("courses:step_detail", args=[slug, key]) + "#questions")


@login_required
@require_POST
def step_reflection(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    text = request.POST.get("text", "")
    try:
        write_reflection(enrolment, key, text=text, job_ids=_uuids(request.POST, "jobs"))
    except NotFoundError as error:
        raise Http404(error.message) from error
    except DomainError as error:
        return show_step(
            request,
            enrolment,
            key,
            status=422,
            faults={"text": str(error.message)},
            given={"text": text},
        )
    return redirect(reverse("courses:step_detail", args=[slug, key]) + "#reflection")


@login_required
@require_POST
def step_hint(
    request: AuthenticatedRequest, slug: str, key: str, check: str, level: int
) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    try:
        open_hint(enrolment, key, check, level)
    except (NotFoundError, ConflictError) as error:
        raise Http404(error.message) from error
    if request.htmx:
        return _checks(request, enrolment, key)
    return redirect("courses:step_detail", slug, key)


def own_enrolment(request: AuthenticatedRequest, slug: str) -> Enrolment:
    try:
        return get_enrolment(request.user, slug)
    except NotFoundError as error:
        raise Http404(error.message) from error


def _page(enrolment: Enrolment, key: str) -> StepPage:
    try:
        return step_page(enrolment, key, reading_language())
    except (NotFoundError, ConflictError) as error:
        raise Http404(error.message) from error


def show_step(
    request: AuthenticatedRequest,
    enrolment: Enrolment,
    key: str,
    *,
    status: int = 200,
    faults: dict[str | None, str] | None = None,
    given: dict[str, Any] | None = None,
) -> HttpResponse:
    page = _page(enrolment, key)
    feedback = feedback_on_step(enrolment, key, request.user)
    context = {
        "page": page,
        "help": shown_help(page.course, page.item),
        "measuring": shown_measuring(page.course, page.item, reading_language()),
        "faults": faults or {},
        "given": given or {},
        "beat_seconds": BEAT_SECONDS,
        "feedback": feedback,
    }
    response = render(request, "courses/step_detail.html", context, status=status)
    mark_read(item.entry for item in feedback)
    mark_seen(request.user, subject=step_subject(enrolment.pk, key))
    return response


def _checks(request: AuthenticatedRequest, enrolment: Enrolment, key: str) -> HttpResponse:
    standing = standing_of(enrolment)
    item = standing.of(key)
    context = {
        "course": standing,
        "item": item,
        "checks": shown_checks(enrolment, item, reading_language()),
        "beat_seconds": BEAT_SECONDS,
    }
    return render(request, "courses/step_checks.html", context)


def _answer(kind: str, values: list[str]) -> Any:
    if kind != "number":
        return values
    try:
        return float(values[0].replace(",", "").strip())
    except (IndexError, ValueError):
        return None


def _uuids(data: QueryDict, name: str) -> list[UUID]:
    found = []
    for text in data.getlist(name):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
