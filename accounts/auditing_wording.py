"""Entries of the log as sentences in the active language, by their kind and details alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AuditEvent, Membership

SENTENCES: dict[str, str | Promise] = {
    # Who is in the class
    "join_code_made": gettext_lazy(
        "%(actor)s made a new join code. Days for which it is valid: %(days)s."
    ),
    "join_code_closed": gettext_lazy("%(actor)s switched the join code off."),
    "join_accepted": gettext_lazy("%(actor)s let %(person)s into the class."),
    "join_declined": gettext_lazy("%(actor)s declined the request of %(person)s to join."),
    "member_left": gettext_lazy("%(person)s left the class."),
    "roster_claimed": gettext_lazy("%(person)s is on the roster and came in as: %(role)s."),
    "group_joined": gettext_lazy(
        "%(person)s is in the group of the class in the school's directory and came in."
    ),
    "group_asked": gettext_lazy(
        "%(person)s is in the group of the class in the school's directory and waits to be let in."
    ),
    "roster_imported": gettext_lazy(
        "%(actor)s imported a roster: %(added)s added, %(changed)s changed."
    ),
    "role_changed": gettext_lazy("%(actor)s changed the role of %(person)s to: %(role)s."),
    "member_removed": gettext_lazy("%(actor)s removed %(person)s from the class."),
    "viewed_as": gettext_lazy("%(actor)s looked at the pages as %(person)s sees them."),
    # Courses and scores
    "due_extended": gettext_lazy(
        "%(actor)s gave %(person)s a later due date in the course “%(course)s”."
    ),
    "due_reset": gettext_lazy("%(actor)s gave %(person)s the due date of the class again."),
    "score_set": gettext_lazy(
        "%(actor)s set the points of %(person)s at the step “%(step)s” to %(points)s."
    ),
    "step_exempted": gettext_lazy("%(actor)s exempted %(person)s from the step “%(step)s”."),
    "step_opened": gettext_lazy("%(actor)s opened the step “%(step)s” for everybody."),
    "step_closed": gettext_lazy("%(actor)s closed the step “%(step)s” again."),
    "score_imported": gettext_lazy("%(actor)s imported scores: %(count)s in all."),
    "version_pinned": gettext_lazy(
        "%(actor)s chose the version of the course “%(course)s” for the class."
    ),
    "certificate_revoked": gettext_lazy("%(actor)s revoked a certificate of %(person)s."),
    # Help
    "help_claimed": gettext_lazy("%(actor)s went to help %(person)s."),
    "help_resolved": gettext_lazy("%(actor)s marked the question of %(person)s as resolved."),
    "feedback_given": gettext_lazy("%(actor)s gave feedback to %(person)s."),
    "feedback_deleted": gettext_lazy("%(actor)s took back feedback to %(person)s."),
    # Jobs and devices
    "job_cancelled": gettext_lazy("%(actor)s cancelled a training job of %(person)s."),
    "job_requeued": gettext_lazy("%(actor)s put a training job of %(person)s in the queue again."),
    "job_held": gettext_lazy("%(actor)s held back a training job of %(person)s."),
    "job_released": gettext_lazy("%(actor)s released a training job of %(person)s."),
    "job_moved": gettext_lazy("%(actor)s moved a training job of %(person)s in the queue."),
    "job_pinned": gettext_lazy("%(actor)s pinned a training job of %(person)s as an example."),
    "job_unpinned": gettext_lazy("%(actor)s unpinned a training job of %(person)s."),
    "queue_paused": gettext_lazy("%(actor)s paused the queue of the class."),
    "queue_resumed": gettext_lazy("%(actor)s let the queue of the class go on."),
    "class_window_added": gettext_lazy("%(actor)s reserved the devices for a class time."),
    "class_window_removed": gettext_lazy(
        "%(actor)s gave up a class time for which the devices were reserved."
    ),
    "policy_changed": gettext_lazy("%(actor)s changed the device limits of the class."),
    # The class and its data
    "class_made": gettext_lazy("%(actor)s made the class."),
    "cohort_changed": gettext_lazy("%(actor)s changed the settings of the class."),
    "data_export_asked": gettext_lazy("%(actor)s asked for a copy of the data of %(person)s."),
    "data_erase_asked": gettext_lazy("%(actor)s asked for the erasure of the data of %(person)s."),
    "data_request_cancelled": gettext_lazy(
        "%(actor)s cancelled a request about the data of %(person)s."
    ),
    "data_retained": gettext_lazy(
        "The time for which the class is kept is over, and the server erased the work of its students."
    ),
}
"""kind -> the sentence; its placeholders are actor, person and keys of the event's details."""

UNKNOWN = "–"
"""For a detail that an entry lacks."""


class _Known(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return UNKNOWN


def sentence_of(event: AuditEvent, names: Mapping[int, str]) -> str:
    """What happened, in one sentence.

    Args:
        names: by the user's id, real or made-up ones; nobody is named who is not among them.
    """
    details = {key: _detail(key, value) for key, value in event.details.items()}
    people = {
        "actor": _name(event.actor_id, names),
        "person": _name(event.person_id, names),
    }
    template = SENTENCES.get(event.kind)
    if template is None:
        return _("%(actor)s did something of which this version knows only the name: %(kind)s.") % (
            people | {"kind": event.kind}
        )
    return str(template) % _Known(details | people)


def real_names(events: Iterable[AuditEvent]) -> dict[int, str]:
    """Of everybody in these entries, those too who have left; for a page that is not projected.

    Args:
        events: with actor and person selected, so that no query is needed.
    """
    people = [person for event in events for person in (event.actor, event.person) if person]
    return {person.pk: str(person) for person in people}


def _name(user_id: int | None, names: Mapping[int, str]) -> str:
    if user_id is None:
        return _("Somebody who was erased")
    return names.get(user_id) or _("Somebody who is not in the class any more")


def _detail(key: str, value: Any) -> str:
    if key == "role" and value in Membership.Role.values:
        return str(Membership.Role(value).label)
    return str(value)
