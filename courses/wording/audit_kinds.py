"""Kinds of entries of the log in a few words, to choose among; their sentences are in accounts.auditing_wording."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

KIND_LABELS: dict[str, str | Promise] = {
    "join_code_made": _("Join code made"),
    "join_code_closed": _("Join code switched off"),
    "join_accepted": _("Let into the class"),
    "join_declined": _("Request to join declined"),
    "member_left": _("Left the class"),
    "roster_claimed": _("Came in by the roster"),
    "group_joined": _("Came in by the group of the directory"),
    "group_asked": _("Waits by the group of the directory"),
    "roster_imported": _("Roster imported"),
    "role_changed": _("Role changed"),
    "member_removed": _("Removed from the class"),
    "viewed_as": _("Pages seen as a student"),
    "due_extended": _("Later due date"),
    "due_reset": _("Due date of the class again"),
    "score_set": _("Points set"),
    "step_exempted": _("Exempted from a step"),
    "step_opened": _("Step opened for all"),
    "step_closed": _("Step closed again"),
    "score_imported": _("Scores imported"),
    "version_pinned": _("Version of a course chosen"),
    "certificate_revoked": _("Certificate revoked"),
    "help_claimed": _("Went to help"),
    "help_resolved": _("Question resolved"),
    "feedback_given": _("Feedback given"),
    "feedback_deleted": _("Feedback taken back"),
    "job_cancelled": _("Job cancelled"),
    "job_requeued": _("Job queued again"),
    "job_held": _("Job held back"),
    "job_released": _("Job released"),
    "job_moved": _("Job moved in the queue"),
    "job_pinned": _("Job shown as an example"),
    "job_unpinned": _("Job no longer an example"),
    "queue_paused": _("Queue paused"),
    "queue_resumed": _("Queue resumed"),
    "class_window_added": _("Class time reserved"),
    "class_window_removed": _("Class time given up"),
    "policy_changed": _("Device limits changed"),
    "class_made": _("Class made"),
    "cohort_changed": _("Settings of the class changed"),
    "data_export_asked": _("Copy of data asked for"),
    "data_erase_asked": _("Erasure asked for"),
    "data_request_cancelled": _("Request about data taken back"),
    "data_retained": _("Erased after the time kept"),
}


def kind_label(kind: str) -> str:
    """One that a newer version wrote is named as it is."""
    return str(KIND_LABELS.get(kind, kind))
