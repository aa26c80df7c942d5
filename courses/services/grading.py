"""Decisions of those who lead a class about what a step counts: each is added with its reason, none is changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, User
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError
from courses.catalogue.schema import Step
from courses.lifecycle.recording import complete_course, locked_progress
from courses.models import Enrolment, ScoreEvent, StepProgress
from courses.selectors.content import content_of
from courses.selectors.pinned import class_enrolments
from courses.selectors.scores import Score, score_of
from courses.services.telling import tell_exempted

Kind = ScoreEvent.Kind
POINT_STEP = 0.5
LEAST_REASON = 5
LONGEST_REASON = 500


class OvertakenError(ConflictError):
    """Somebody else decided since the page was shown; `event` is what they did."""

    def __init__(self, event: ScoreEvent | None) -> None:
        super().__init__(
            _("This score has changed since you opened the page, so nothing of yours was stored.")
        )
        self.event = event


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides about which step of whom, and why.

    Attributes:
        seen_id: the newest score event that the actor saw, or None when there was none.
    """

    actor: User
    cohort: Cohort
    enrolment_id: UUID
    step_key: str
    reason: str
    seen_id: UUID | None


def clean_reason(text: str) -> str:
    """
    Raises:
        InvalidInputError: it says too little or too much.
    """
    reason = " ".join(text.replace("\x00", "").split())
    if not LEAST_REASON <= len(reason) <= LONGEST_REASON:
        sentence = _(
            "Give a reason of %(least)d to %(most)d characters: the student and your colleagues may ask for it."
        ) % {"least": LEAST_REASON, "most": LONGEST_REASON}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="reason")])
    return reason


def check_points(points: float, max_points: float) -> float:
    """
    Raises:
        InvalidInputError: not between nothing and all, or not in halves.
    """
    if not 0 <= points <= max_points or points % POINT_STEP:
        sentence = _("Enter points from 0 to %(most)d, in steps of 0.5.") % {"most": max_points}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="points")])
    return points


@transaction.atomic
def set_points(decision: Decision, points: float) -> ScoreEvent:
    """What the step counts, whatever evidence gives. How far the student is in the course stays as it is.

    Raises:
        NotFoundError, InvalidInputError, OvertakenError
    """
    enrolment, step, _score = _open(decision)
    check_points(points, step.weight)
    event = _add(decision, enrolment, step, Kind.OVERRIDE, points)
    _note(decision, enrolment, step, points=points, max_points=step.weight)
    return event


@transaction.atomic
def take_back(decision: Decision) -> ScoreEvent:
    """Evidence counts again, what comes later included.

    Raises:
        NotFoundError, InvalidInputError, OvertakenError
        ConflictError: nobody has decided.
    """
    enrolment, step, score = _open(decision)
    if not score.is_decided:
        raise ConflictError(_("Nobody has set this score, so there is nothing to take back."))
    event = _add(decision, enrolment, step, Kind.AUTO, score.evidence_points)
    _note(
        decision,
        enrolment,
        step,
        points=score.evidence_points,
        max_points=step.weight,
        is_taken_back=True,
    )
    return event


@transaction.atomic
def exempt(decision: Decision) -> ScoreEvent:
    """The step is left out of the student's total and locks nothing any more; a passed one stays passed.

    Raises:
        NotFoundError, InvalidInputError, OvertakenError
        ConflictError: the student is exempt already.
    """
    enrolment, step, score = _open(decision, locks_progress=True)
    if score.is_exempt:
        raise ConflictError(_("The student is exempt from this step already."))
    event = _add(decision, enrolment, step, Kind.EXEMPT, 0)
    _let_pass(enrolment, step)
    details = {"course": enrolment.course.slug, "step": step.key}
    note_act(
        decision.actor,
        "step_exempted",
        cohort=decision.cohort,
        person=enrolment.user,
        **details,
    )
    tell_exempted(enrolment, step)
    return event


@transaction.atomic
def exempt_many(
    actor: User, cohort: Cohort, *, enrolment_ids: Iterable[UUID], step_key: str, reason: str
) -> tuple[int, int]:
    """Exempt those who have not done the step; how many these are, and how many had done it meanwhile.

    Raises:
        NotFoundError: somebody is no student of this class.
        InvalidInputError: the reason says too little.
    """
    wanted = set(enrolment_ids)
    students = class_enrolments(cohort).filter(pk__in=wanted).order_by("pk")
    found = list(students.values_list("pk", flat=True))
    if len(found) < len(wanted):
        raise NotFoundError(_("One of these students is no longer in this class."))
    done = set(
        StepProgress.objects.filter(
            enrolment__in=found, step_key=step_key, state__in=StepProgress.DONE
        ).values_list("enrolment_id", flat=True)
    )
    for pk in found:
        if pk not in done:
            seen_id = _newest_id(pk, step_key)
            exempt(Decision(actor, cohort, pk, step_key, reason, seen_id))
    return len(found) - len(done), len(done)


def _open(decision: Decision, *, locks_progress: bool = False) -> tuple[Enrolment, Step, Score]:
    """What is decided about, locked against everybody else who decides."""
    students = class_enrolments(decision.cohort).filter(pk=decision.enrolment_id)
    enrolment = students.select_related("user", "course").first()
    if enrolment is None:
        raise NotFoundError(_("There is no such student in this class."))
    step = content_of(enrolment.version_id).step(decision.step_key)
    if step is None:
        raise NotFoundError(_("This course has no such step. It may have been renamed."))
    clean_reason(decision.reason)
    if locks_progress:
        # First, as whoever records progress does: two that wait for each other would wait for ever.
        locked_progress(enrolment, step.key)
    Enrolment.objects.select_for_update(no_key=True).get(pk=enrolment.pk)
    score = score_of(enrolment, step.key)
    if score.newest_id != decision.seen_id:
        raise OvertakenError(_event_of(score))
    return enrolment, step, score


def _add(
    decision: Decision, enrolment: Enrolment, step: Step, kind: ScoreEvent.Kind, points: float
) -> ScoreEvent:
    return ScoreEvent.objects.create(
        enrolment=enrolment,
        step_key=step.key,
        kind=kind,
        points=points,
        max_points=step.weight,
        reason=clean_reason(decision.reason),
        actor=decision.actor,
    )


def _note(decision: Decision, enrolment: Enrolment, step: Step, **details: float) -> None:
    note_act(
        decision.actor,
        "score_set",
        cohort=decision.cohort,
        person=enrolment.user,
        course=enrolment.course.slug,
        step=step.key,
        **details,
    )


def _let_pass(enrolment: Enrolment, step: Step) -> None:
    progress = locked_progress(enrolment, step.key)
    if progress.state not in StepProgress.DONE:
        progress.state = StepProgress.State.EXEMPT
        progress.save(update_fields=["state"])
        complete_course(enrolment)


def _event_of(score: Score) -> ScoreEvent | None:
    if score.newest_id is None:
        return None
    return ScoreEvent.objects.select_related("actor").get(pk=score.newest_id)


def _newest_id(enrolment_id: UUID, step_key: str) -> UUID | None:
    events = ScoreEvent.objects.filter(enrolment=enrolment_id, step_key=step_key)
    return events.order_by("-created_at").values_list("pk", flat=True).first()
