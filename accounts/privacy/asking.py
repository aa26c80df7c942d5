"""Ask for one's data or for its erasure, as the person or as somebody who leads their class, and take that back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, DataRequest, Membership, User
from accounts.notifications import forget, notify
from accounts.privacy.erasing import check_is_not_last_owner
from accounts.privacy.exporting import DATA_PATH
from accounts.tasks import run_data_request
from common.errors import ConflictError, NotFoundError
from common.poke import poke_on_commit
from common.storage import check_free_space

COOLING_OFF = timedelta(days=7)
Kind = DataRequest.Kind
State = DataRequest.State


def ask_export(person: User) -> DataRequest:
    """
    Raises:
        ConflictError: an earlier one is not ready yet.
        DiskFullError: the disk is nearly full.
    """
    check_free_space()
    with transaction.atomic():
        _wait_for_own_turn(person)
        if _open(person, Kind.EXPORT).exists():
            raise ConflictError(
                _(
                    "Your data is being put together already. It appears here when it is ready: look again in a minute."
                )
            )
        request = DataRequest.objects.create(
            person=person, requested_by=person, kind=Kind.EXPORT, runs_at=timezone.now()
        )
        # A person who chose no language reads the archive in that of the page; a lost message costs only this.
        poke_on_commit(run_data_request, str(request.pk), get_language() or "")
    return request


def exports_of(person: User) -> QuerySet[DataRequest]:
    """What the person asked to have, the newest first."""
    return DataRequest.objects.filter(person=person, kind=Kind.EXPORT)


def get_export(person: User, export_id: UUID) -> DataRequest:
    """
    Raises:
        NotFoundError: the person asked for none with this id.
    """
    found = exports_of(person).filter(pk=export_id).first()
    if found is None:
        raise NotFoundError(_("There is no such request."))
    return found


def ask_erasure(person: User) -> DataRequest:
    """The person's own wish; it begins after a week, in which it can be taken back.

    Raises:
        ConflictError: it was asked for before, or the person is the last who can look after the installation.
    """
    with transaction.atomic():
        return _order_erasure(person, by=person, cohort=None)


def ask_erasure_of_student(leader: User, cohort: Cohort, person: User) -> DataRequest:
    """The wish of somebody who leads the class, told to the student, who can take it back.

    Raises:
        NotFoundError: the person is no student of the class.
        ConflictError: somebody else has to do with the person too, or it was asked for before.
    """
    student = Membership.objects.filter(cohort=cohort, user=person, role=Membership.Role.STUDENT)
    if not student.exists():
        raise NotFoundError(_("There is no such student in this class."))
    with transaction.atomic():
        if person.pk not in erasable_students(leader, cohort):
            raise ConflictError(
                _(
                    "“%(name)s” is also in a class that you do not lead, or looks after the installation, "
                    "so you can only remove this person from the class. "
                    "Everybody can erase their own account in the settings."
                )
                % {"name": person}
            )
        request = _order_erasure(person, by=leader, cohort=cohort)
        note_act(leader, "data_erase_asked", cohort=cohort, person=person)
        notify(
            person.pk,
            kind="erasure_asked",
            subject=str(request.pk),
            params={"name": cohort.name},
            path=DATA_PATH,
        )
    return request


def erasable_students(leader: User, cohort: Cohort) -> set[int]:
    """Students of the class who are in no class but those that leader leads, and look after nothing here."""
    led = Cohort.objects.led_by(leader).values("pk")
    elsewhere = Membership.objects.filter(~Q(cohort__in=led) | ~Q(role=Membership.Role.STUDENT))
    students = Membership.objects.filter(
        cohort=cohort,
        role=Membership.Role.STUDENT,
        user__is_staff=False,
        user__is_superuser=False,
    ).exclude(user__in=elsewhere.values("user"))
    return set(students.values_list("user_id", flat=True))


def cancel_own_request(person: User, request_id: UUID) -> None:
    """Take back what was asked about one's own data, whoever asked.

    Raises:
        NotFoundError: there is none.
        ConflictError: it has begun or is over.
    """
    _cancel(DataRequest.objects.filter(pk=request_id, person=person), by=person)


def cancel_student_request(leader: User, cohort: Cohort, request_id: UUID) -> None:
    """Take back an erasure that somebody who leads the class asked for.

    Raises:
        NotFoundError: there is none of this class.
        ConflictError: it has begun or is over.
    """
    asked_here = DataRequest.objects.filter(pk=request_id, cohort=cohort, kind=Kind.ERASE)
    _cancel(asked_here, by=leader)


def can_be_cancelled(request: DataRequest) -> bool:
    return request.state in (State.WAITING, State.FAILED) and not request.done


def _cancel(found: QuerySet[DataRequest], *, by: User) -> None:
    with transaction.atomic():
        request = found.select_related("cohort", "person").first()
        if request is None:
            raise NotFoundError(_("There is no such request."))
        waiting = DataRequest.objects.filter(
            pk=request.pk, state__in=(State.WAITING, State.FAILED), done=[]
        )
        if not waiting.update(state=State.CANCELLED, finished_at=timezone.now()):
            raise ConflictError(_("The request has begun or is over, so it can not be taken back."))
        if request.cohort is not None:
            note_act(by, "data_request_cancelled", cohort=request.cohort, person=request.person)
        # What was told of it is not true any more.
        forget(subject=str(request.pk))


def _order_erasure(person: User, *, by: User, cohort: Cohort | None) -> DataRequest:
    _wait_for_own_turn(person)
    check_is_not_last_owner(person)
    if _open(person, Kind.ERASE).exists():
        raise ConflictError(_("The account is to be erased already. The date stands in the list."))
    return DataRequest.objects.create(
        person=person,
        requested_by=by,
        cohort=cohort,
        kind=Kind.ERASE,
        runs_at=timezone.now() + COOLING_OFF,
    )


def _open(person: User, kind: str) -> QuerySet[DataRequest]:
    return DataRequest.objects.filter(person=person, kind=kind, state__in=DataRequest.OPEN)


def _wait_for_own_turn(person: User) -> None:
    """Of two requests at once the second one sees the first."""
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
