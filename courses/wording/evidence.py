"""What a check counted, in words: the kinds of evidence, and the figures that it read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.models import Vote
from training.diagnosis.wording import title_of

Label = str | Promise
DIGEST_CHARACTERS = 12


class Fact(NamedTuple):
    label: str
    value: str


_KINDS: dict[str, Label] = {
    "job": gettext_lazy("Training job"),
    "dataset": gettext_lazy("Dataset"),
    "reply": gettext_lazy("Answer in a chat"),
    "vote": gettext_lazy("Vote on answers"),
    "prompt_run": gettext_lazy("Run of a prompt set"),
    "hidden_measurement": gettext_lazy("Measurement on hidden questions"),
    "quiz_answer": gettext_lazy("Right answer in the quiz"),
    "reflection": gettext_lazy("Reflection"),
    "page": gettext_lazy("Page that was open"),
}


def kind_word(kind: str) -> str:
    return str(_KINDS.get(kind, kind))


def fact_words(facts: Mapping[str, Any]) -> Iterator[Fact]:
    """In the order in which they are explained here; a fact of another version by its key."""
    for key, (label, word) in _FACTS.items():
        if key in facts:
            yield Fact(str(label), word(facts[key]))
    for key in sorted(facts.keys() - _FACTS.keys()):
        yield Fact(key, str(facts[key]))


def short_digest(digest: str) -> str:
    """Enough of it to compare by eye."""
    return digest[:DIGEST_CHARACTERS]


def _number(value: float) -> str:
    return number_format(round(value, 3), use_l10n=True)


def _nats(value: float) -> str:
    return _("%(number)s nats") % {"number": _number(value)}


def _steps(value: int) -> str:
    return ngettext("%(count)d step", "%(count)d steps", value) % {"count": value}


def _examples(value: int) -> str:
    return ngettext("%(count)d example", "%(count)d examples", value) % {"count": value}


def _questions(value: int) -> str:
    return ngettext("%(count)d question", "%(count)d questions", value) % {"count": value}


def _jobs(value: list[str]) -> str:
    return ngettext("%(count)d job", "%(count)d jobs", len(value)) % {"count": len(value)}


def _digests(value: list[str]) -> str:
    return ", ".join(map(short_digest, value)) or "–"


def _verdict(value: str) -> str:
    """Of a vote, or of a diagnosis."""
    if value in Vote.Verdict.values:
        return str(Vote.Verdict(value).label)
    return title_of(value) or value


def _short_id(value: str) -> str:
    return value.partition("-")[0]


def _yes_or_no(value: bool) -> str:  # noqa: FBT001 - a fact is a plain value
    return _("yes") if value else _("no")


_FACTS: dict[str, tuple[Label, Callable[[Any], str]]] = {
    "name": (gettext_lazy("Name"), str),
    "examples": (gettext_lazy("Size"), _examples),
    "dataset_digest": (gettext_lazy("Checksum of the dataset"), short_digest),
    "steps": (gettext_lazy("Length"), _steps),
    "step": (gettext_lazy("Stopped after"), _steps),
    "first_loss": (gettext_lazy("Mean loss of the first quarter"), _nats),
    "last_loss": (gettext_lazy("Mean loss of the last quarter"), _nats),
    "baseline": (gettext_lazy("Held-out loss of the base model"), _nats),
    "loss": (gettext_lazy("Held-out loss of the job"), _nats),
    "gain": (gettext_lazy("Better than the base model by"), _nats),
    "verdict": (gettext_lazy("Verdict"), _verdict),
    "blind": (gettext_lazy("Names hidden"), _yes_or_no),
    "items": (gettext_lazy("Questions asked"), _questions),
    "adapters": (gettext_lazy("Checksums of the adapters"), _digests),
    "jobs": (gettext_lazy("Jobs"), _jobs),
    "job": (gettext_lazy("Job"), _short_id),
    "base_reply": (gettext_lazy("Answer of the base model"), _short_id),
    "dataset": (gettext_lazy("Corrected in dataset"), _short_id),
}
