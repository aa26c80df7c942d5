"""Notifications as sentences in the active language, by their kind and params alone."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Notification

JOB_KINDS = ("job_completed", "job_failed", "job_cancelled")
"""A training job has ended; params has its job_name, and of a failed one error_code."""


def notification_title(notification: Notification) -> str:
    """What happened, in one line."""
    params = notification.params
    name = _one_line(params.get("job_name") or params.get("name", ""))
    match notification.kind:
        case "job_completed":
            return _("“%(name)s” is complete") % {"name": name}
        case "job_failed":
            return _("“%(name)s” failed") % {"name": name}
        case "job_cancelled":
            return _("“%(name)s” was cancelled by an instructor") % {"name": name}
        case "prompt_run_completed":
            return _("All questions of “%(name)s” are answered") % {"name": name}
        case "data_ready":
            return _("Your data is ready to download")
        case "erasure_asked":
            return _("Your account is to be erased, as somebody who leads “%(name)s” asked") % {
                "name": name
            }
        case "class_retention":
            return _("The work of “%(name)s” is erased on %(date)s") % {
                "name": name,
                "date": params.get("on", ""),
            }
    return _("There is news of “%(name)s”") % {"name": name}


def notification_text(notification: Notification) -> str:
    """Why, and what to do next."""
    match notification.kind:
        case "job_completed":
            return _("The adapter is ready. Look at the result, then talk to it.")
        case "job_failed":
            reason = _failure_reason(notification.params.get("error_code", ""))
            return f"{reason} {_('Open the job to read what to do about it.')}".strip()
        case "job_cancelled":
            return _("Its curves are kept. Ask your instructor for the reason, then start again.")
        case "prompt_run_completed":
            return _("See which model answered better, and on which questions.")
        case "data_ready":
            return _("The archive is kept for 7 days.")
        case "erasure_asked":
            return _("It begins in 7 days. Until then you can take it back.")
        case "class_retention":
            return _("If it is needed longer, change how long it is kept.")
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
