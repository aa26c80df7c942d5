"""The texts of a notebook as forms: what stands in them, and which text their writer began with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.utils.translation import gettext as _

from training.models import TrainingJob
from training.notebook.limits import MAX_CHARACTERS


@dataclass(frozen=True, slots=True)
class TextForm:
    """One text that a person can change.

    Attributes:
        version: of the text that the writer has seen last.
        faults: sentences that say why it was not saved.
        other: what somebody else wrote meanwhile.
        is_saved: it was saved just now.
    """

    field: str
    label: str
    help: str
    value: str
    version: str
    faults: tuple[str, ...] = ()
    other: str | None = None
    is_saved: bool = False

    @property
    def limit(self) -> int:
        return MAX_CHARACTERS[self.field]


def text_version(text: str) -> str:
    """A short name of a text: another text has another one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def text_form(job: TrainingJob, field: str, *, is_saved: bool = False) -> TextForm:
    """The form of a text as it stands."""
    text = getattr(job, field)
    label, hint = _words(field)
    return TextForm(field, label, hint, text, text_version(text), is_saved=is_saved)


def refused_form(
    job: TrainingJob, field: str, typed: str, *, version: str, faults: list[str]
) -> TextForm:
    """The form with what was typed, and why it was not saved."""
    label, hint = _words(field)
    return TextForm(field, label, hint, typed, version, faults=tuple(faults))


def conflicting_form(
    job: TrainingJob, field: str, typed: str, *, other: str, fault: str
) -> TextForm:
    """The form with both texts; saving it once more replaces the other one knowingly."""
    label, hint = _words(field)
    return TextForm(field, label, hint, typed, text_version(other), (fault,), other)


def _words(field: str) -> tuple[str, str]:
    match field:
        case "prediction":
            return _("Your guess"), _(
                "What will the adapter do, and how low will the loss go? "
                "Write it before the first step is measured."
            )
        case "explanation":
            return _("What happened, and why?"), _(
                "Compare your guess with the result. What surprised you?"
            )
    return _("Notes"), _("For you; your instructor can read them too. Line breaks are kept.")
