"""Ask for help at a step, and give it."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import User
from accounts.notifications import notify
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError
from common.rate_limit import consume
from courses.events import class_changed
from courses.lifecycle.hands import close_request, standing_request
from courses.models import Enrolment, HelpRequest
from courses.selectors.progress import CourseStanding, standing_of

State = HelpRequest.State

MAX_TEXT = 500
ASKS = 12
ASKS_SECONDS = 600


def raise_hand(enrolment: Enrolment, step_key: str, text: str = "") -> HelpRequest:
    """Ask for help at a step. Asking again at the same step changes what was written, and keeps the place.

    Raises:
        NotFoundError: the course has no such step.
        ConflictError: it is locked or done, the course is taken alone, or a hand is up at another step.
        InvalidInputError: the text is too long.
        TooManyRequestsError: asked and taken back many times in a few minutes.
    """
    standing = standing_of(enrolment)
    _check_may_ask(standing, step_key)
    clean = _clean(text)
    consume("help", str(enrolment.user_id), limit=ASKS, period_seconds=ASKS_SECONDS)
    try:
        with transaction.atomic():
            return _raise_or_keep(standing, step_key, clean)
    except IntegrityError:
        # Pressed twice at the same moment: the other one is there by now.
        with transaction.atomic():
            return _raise_or_keep(standing, step_key, clean)


def take_back(enrolment: Enrolment, step_key: str) -> None:
    """
    Raises:
        NotFoundError: no hand is up at this step.
    """
    with transaction.atomic():
        found = standing_request(enrolment)
        if found is None or found.step_key != step_key:
            raise NotFoundError(_("You do not wait for help at this step."))
        close_request(found, State.CANCELLED)


@transaction.atomic
def claim(actor: User, request: HelpRequest) -> HelpRequest:
    """Somebody who leads the class goes there; claiming twice is claiming once.

    Raises:
        ConflictError: somebody else has it, or the hand is down.
    """
    found = _locked(request)
    if found.state == State.CLAIMED and found.helper_id == actor.pk:
        return found
    if found.state == State.CLAIMED and found.helper is not None:
        raise ConflictError(
            _("%(name)s is already on the way to this student.") % {"name": found.helper}
        )
    if found.state not in HelpRequest.STANDING:
        raise ConflictError(_("This student does not wait for help any more."))
    found.state, found.helper, found.claimed_at = State.CLAIMED, actor, timezone.now()
    found.save(update_fields=["state", "helper", "claimed_at"])
    _note(actor, "help_claimed", found)
    _tell(actor, found)
    class_changed(found.enrolment.cohort_id)
    return found


@transaction.atomic
def resolve(actor: User, request: HelpRequest) -> HelpRequest:
    """The help was given; of a hand that is down already nothing changes."""
    found = _locked(request)
    if found.state in HelpRequest.STANDING:
        found.helper = found.helper or actor
        close_request(found, State.RESOLVED)
        _note(actor, "help_resolved", found)
    return found


def _check_may_ask(standing: CourseStanding, step_key: str) -> None:
    item = standing.of(step_key)
    item.check_open()
    if standing.enrolment.cohort_id is None:
        raise ConflictError(_("You take this course without a class, so there is nobody to ask."))
    if item.is_done:
        raise ConflictError(_("You passed this step already. Ask at the step that you are at."))


def _clean(text: str) -> str:
    clean = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(clean) > MAX_TEXT:
        sentence = _("The text has %(count)d characters; at most %(limit)d can be kept.") % {
            "count": len(clean),
            "limit": MAX_TEXT,
        }
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="text")])
    return clean


def _raise_or_keep(standing: CourseStanding, step_key: str, text: str) -> HelpRequest:
    enrolment = standing.enrolment
    found = standing_request(enrolment)
    if found is not None and found.step_key != step_key:
        _close_or_refuse(standing, found)
        found = None
    if found is None:
        found = HelpRequest.objects.create(enrolment=enrolment, step_key=step_key, text=text)
    elif text and text != found.text:
        found.text = text
        found.save(update_fields=["text"])
    class_changed(enrolment.cohort_id)
    return found


def _close_or_refuse(standing: CourseStanding, found: HelpRequest) -> None:
    """A hand that is still up at a step which is done since, or is no more, keeps nobody from asking."""
    if not standing.is_past(found.step_key):
        raise ConflictError(
            _("You already wait for help at another step of this course. Take that back first.")
        )
    close_request(found, State.RESOLVED)


def _locked(request: HelpRequest) -> HelpRequest:
    # Not with its helper, who may be nobody: PostgreSQL locks no empty side of a join.
    locked = HelpRequest.objects.select_for_update(of=("self",))
    return locked.select_related("enrolment__user", "enrolment__course", "enrolment__cohort").get(
        pk=request.pk
    )


def _note(actor: User, kind: str, found: HelpRequest) -> None:
    enrolment = found.enrolment
    note_act(
        actor,
        kind,
        cohort=enrolment.cohort,
        person=enrolment.user,
        course=enrolment.course.slug,
        step=found.step_key,
    )


def _tell(actor: User, found: HelpRequest) -> None:
    enrolment = found.enrolment
    notify(
        enrolment.user_id,
        kind="help_claimed",
        subject=str(found.pk),
        params={"name": str(actor)},
        path=reverse("courses:step_detail", args=[enrolment.course.slug, found.step_key]),
    )
