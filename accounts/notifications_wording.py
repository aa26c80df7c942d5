"""Notifications as sentences in the active language, by their kind and params alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import Notification

JOB_KINDS = ("job_completed", "job_failed", "job_cancelled")
"""A training job has ended; params has its job_name, and of a failed one error_code."""

WORDS: dict[str, tuple[Promise, Promise]] = {
    # Training and prompt sets
    "job_completed": (
        gettext_lazy("“%(name)s” is complete"),
        gettext_lazy("The adapter is ready. Look at the result, then talk to it."),
    ),
    "job_failed": (
        gettext_lazy("“%(name)s” failed"),
        gettext_lazy("Open the job to read what to do about it."),
    ),
    "job_cancelled": (
        gettext_lazy("“%(name)s” was cancelled by an instructor"),
        gettext_lazy("Its curves are kept. Ask your instructor for the reason, then start again."),
    ),
    "prompt_run_completed": (
        gettext_lazy("All questions of “%(name)s” are answered"),
        gettext_lazy("See which model answered better, and on which questions."),
    ),
    # Classes
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
    "class_retention": (
        gettext_lazy("The work of “%(name)s” is erased on %(date)s"),
        gettext_lazy("If it is needed longer, change how long it is kept."),
    ),
    # Courses
    "help_claimed": (
        gettext_lazy("%(name)s is coming to help you"),
        gettext_lazy(
            "Stay at the step. Take your request back when you found the answer yourself."
        ),
    ),
    "feedback_given": (
        gettext_lazy("There is feedback on “%(name)s”"),
        gettext_lazy("Somebody who leads your class has written to you. Read it there."),
    ),
    "due_own": (
        gettext_lazy("You have until %(date)s for “%(name)s”"),
        gettext_lazy("This due date is yours alone; somebody who leads your class set it."),
    ),
    "due_changed": (
        gettext_lazy("“%(name)s” is due on %(date)s"),
        gettext_lazy("The date holds for your class. What you passed stays passed."),
    ),
    "due_removed": (
        gettext_lazy("“%(name)s” has no due date any more"),
        gettext_lazy("Take the time that you need."),
    ),
    "step_opened": (
        gettext_lazy("The step “%(name)s” is open"),
        gettext_lazy(
            "It was opened for your class: you need not finish the steps before it first."
        ),
    ),
    "step_exempted": (
        gettext_lazy("You are exempt from the step “%(name)s”"),
        gettext_lazy("It counts as done and is left out of your points. Go on with the next one."),
    ),
    "certificate_revoked": (
        gettext_lazy("Your certificate of “%(name)s” was revoked"),
        gettext_lazy("Its page says why. Ask your instructor if you think that this is a mistake."),
    ),
    # Signing in
    "sso_connected": (
        gettext_lazy("You can sign in through “%(name)s” now"),
        gettext_lazy(
            "Your account was connected with yours there. If that was not you, tell whoever runs this server."
        ),
    ),
    # Personal data
    "data_ready": (
        gettext_lazy("Your data is ready to download"),
        gettext_lazy("The archive is kept for 7 days."),
    ),
    "erasure_asked": (
        gettext_lazy("Your account is to be erased, as somebody who leads “%(name)s” asked"),
        gettext_lazy("It begins in 7 days. Until then you can take it back."),
    ),
}
"""kind -> title and text.

params has a name, or titles by their language; of a training job that failed its error_code; of a date `on`, a day, or
`at` and `zone`, a moment and where its clock stands.
"""
UNKNOWN = (gettext_lazy("There is news of “%(name)s”"), gettext_lazy("Open it to read more."))


def notification_title(notification: Notification) -> str:
    """What happened, in one line."""
    title, _text = WORDS.get(notification.kind, UNKNOWN)
    params = notification.params
    return str(title) % {"name": _one_line(_name(params)), "date": _date(params)}


def notification_text(notification: Notification) -> str:
    """Why, and what to do next."""
    _title, text = WORDS.get(notification.kind, UNKNOWN)
    reason = _failure_reason(notification.params.get("error_code", ""))
    return f"{reason} {text}".strip()


def _name(params: Mapping[str, Any]) -> str:
    titles = params.get("titles") or {}
    language = (get_language() or "").partition("-")[0]
    return (
        titles.get(language) or titles.get("en") or params.get("job_name") or params.get("name", "")
    )


def _date(params: Mapping[str, Any]) -> str:
    if "at" not in params:
        return str(params.get("on", ""))
    moment = datetime.fromisoformat(params["at"]).astimezone(ZoneInfo(params["zone"]))
    return str(date_format(moment, "DATETIME_FORMAT"))


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
