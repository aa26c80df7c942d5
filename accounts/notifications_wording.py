"""Notifications as sentences in the active language, by their kind and params alone."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Notification

JOB_KINDS = ("job_completed", "job_failed", "job_cancelled")
"""A training job has ended; params has its job_name, and of a failed one error_code."""

ABOUT_CLASSES: dict[str, tuple[Promise, Promise]] = {
    "join_asked": (
        gettext_lazy("Somebody asks to join “%(name)s”"),
        gettext_lazy("Open the class to let them in or decline."),
    ),
    "join_accepted": (
        gettext_lazy("You are in the class “%(name)s”"),
        gettext_lazy("Your request was accepted. Its courses are open to you."),
    ),
    "join_declined": (
        gettext_lazy("You were not let into the class “%(name)s”"),
        gettext_lazy("Whoever leads it declined your request. Ask them for the reason."),
    ),
    "roster_claimed": (
        gettext_lazy("You are in the class “%(name)s”"),
        gettext_lazy("You are on its roster. Its courses are open to you."),
    ),
}
"""kind -> title and text; params has the name of the class."""


def notification_title(notification: Notification) -> str:
    """What happened, in one line."""
    params = notification.params
    name = _one_line(params.get("job_name") or params.get("name", ""))
    if notification.kind in ABOUT_CLASSES:
        return str(ABOUT_CLASSES[notification.kind][0]) % {"name": name}
    match notification.kind:
        case "job_completed":
            return _("“%(name)s” is complete") % {"name": name}
        case "job_failed":
            return _("“%(name)s” failed") % {"name": name}
        case "job_cancelled":
            return _("“%(name)s” was cancelled by an instructor") % {"name": name}
        case "certificate_revoked":
            return _("Your certificate of “%(name)s” was revoked") % {"name": name}
        case "prompt_run_completed":
            return _("All questions of “%(name)s” are answered") % {"name": name}
        case "help_claimed":
            return _("%(name)s is coming to help you") % {"name": name}
        case "feedback_given":
            return _("There is feedback on “%(name)s”") % {"name": name}
    return _("There is news of “%(name)s”") % {"name": name}


def notification_text(notification: Notification) -> str:
    """Why, and what to do next."""
    if notification.kind in ABOUT_CLASSES:
        return str(ABOUT_CLASSES[notification.kind][1])
    match notification.kind:
        case "job_completed":
            return _("The adapter is ready. Look at the result, then talk to it.")
        case "job_failed":
            reason = _failure_reason(notification.params.get("error_code", ""))
            return f"{reason} {_('Open the job to read what to do about it.')}".strip()
        case "job_cancelled":
            return _("Its curves are kept. Ask your instructor for the reason, then start again.")
        case "certificate_revoked":
            return _("Its page says why. Ask your instructor if you think that this is a mistake.")
        case "prompt_run_completed":
            return _("See which model answered better, and on which questions.")
        case "help_claimed":
            return _("Stay at the step. Take your request back when you found the answer yourself.")
        case "feedback_given":
            return _("Somebody who leads your class has written to you. Read it there.")
    return _("Open it to read more.")


def _failure_reason(code: str) -> str:
    """The reason in short; the job's own page tells it in full. Empty where only that page can tell."""
    match code:
        case "out_of_memory":
            return _("The device ran out of memory.")
        case "diverged":
            return _("The loss became infinite.")
        case "dataset_unusable":
            return _("The dataset could not be used.")
        case "disk_full":
            return _("The worker's disk is full.")
        case "worker_lost" | "engine_died":
            return _("The worker was lost; this is not your fault.")
    return ""


def _one_line(text: str) -> str:
    """A line break would end a mail's subject."""
    return " ".join(str(text).split())
