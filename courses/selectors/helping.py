"""Raised hands: the student's own, and those of a class."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Cohort, Membership
from common.errors import NotFoundError
from courses.models import Enrolment, HelpRequest, StepProgress
from courses.selectors.progress import CourseStanding, StepStanding

State = HelpRequest.State


@dataclass(frozen=True, slots=True)
class ShownHelp:
    """What a student sees of it at a step.

    Attributes:
        request: at this step, while it stands.
        place: among those who wait, from 1; 0 once somebody comes.
        elsewhere: the key of another step at which the hand is up.
    """

    may_ask: bool
    request: HelpRequest | None = None
    place: int = 0
    elsewhere: str = ""

    @property
    def mark(self) -> str:
        """The same text as long as the student sees the same."""
        state = self.request.state if self.request else "none"
        return f"{state}-{self.place}-{self.may_ask:d}"


NO_HELP = ShownHelp(may_ask=False)


def shown_help(course: CourseStanding, item: StepStanding) -> ShownHelp:
    """In two queries; outside a class there is none to ask."""
    enrolment = course.enrolment
    if enrolment.cohort_id is None:
        return NO_HELP
    found = standing_help(enrolment)
    if found is None or course.is_past(found.step_key):
        return ShownHelp(may_ask=not item.is_done)
    if found.step_key != item.step.key:
        return ShownHelp(may_ask=False, elsewhere="" if item.is_done else found.step_key)
    return ShownHelp(may_ask=False, request=found, place=place_of(found))


def standing_help(enrolment: Enrolment) -> HelpRequest | None:
    standing = HelpRequest.objects.filter(enrolment=enrolment, state__in=HelpRequest.STANDING)
    return standing.select_related("helper", "enrolment").first()


def place_of(request: HelpRequest) -> int:
    """Among those of the class for whom nobody is coming yet, whatever their course."""
    cohort_id = request.enrolment.cohort_id
    if request.state != State.OPEN or cohort_id is None:
        return 0
    before = waiting_requests(cohort_id).filter(created_at__lt=request.created_at)
    return before.count() + 1


def waiting_count(cohort: Cohort) -> int:
    """Hands for which nobody is coming yet; one cheap query, since every page of the class asks."""
    return waiting_requests(cohort.pk).count()


def waiting_requests(cohort_id: UUID) -> QuerySet[HelpRequest]:
    """In the order of asking; without those at a step that a leader has counted as done since."""
    students = Membership.objects.filter(cohort_id=cohort_id, role=Membership.Role.STUDENT)
    done = StepProgress.objects.filter(
        enrolment=OuterRef("enrolment"), step_key=OuterRef("step_key"), state__in=StepProgress.DONE
    )
    return HelpRequest.objects.filter(
        ~Exists(done),
        enrolment__cohort_id=cohort_id,
        enrolment__user__in=students.values("user_id"),
        state=State.OPEN,
    )


def get_request(cohort: Cohort, request_id: UUID) -> HelpRequest:
    """
    Raises:
        NotFoundError: nobody in this class asked so.
    """
    found = HelpRequest.objects.filter(pk=request_id, enrolment__cohort=cohort).first()
    if found is None:
        raise NotFoundError(_("There is no such request for help in this class."))
    return found
