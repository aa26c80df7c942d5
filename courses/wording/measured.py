"""What was measured beside the base model, and why that is not enough or came to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from modelhub.sentences import engine_failure_sentence

Values = Mapping[str, Any]


def measure_sentence(reason: str, observed: Values, wanted: Values) -> str:
    match reason:
        case "prompts_not_run" if wanted["set"] == "eval":
            return _(
                "The evaluation questions of this course were not put to your model and its base model yet. "
                "Open the prompt sets, choose those of the course, and both models."
            )
        case "prompts_not_run":
            return _(
                "No prompt set of at least %(wanted)d questions was put to your model and its base model yet; "
                "the largest has %(items)d."
            ) % {"wanted": wanted["items"], "items": observed["items"]}
        case "hidden_not_measured":
            return _(
                "No job of yours was measured on the hidden questions yet. "
                "Choose one beside “Measure on the hidden questions”, and press the button."
            )
        case "hidden_small_gain":
            return _(
                "On the hidden questions “%(name)s” is better than the base model by %(gain)s nats; "
                "%(wanted)s are needed. Change the data or the settings, train again, and measure that job."
            ) % {
                "name": observed["name"],
                "gain": figure(observed["gain"]),
                "wanted": figure(wanted["gain"]),
            }
    return _(
        "“%(name)s” is better than the base model by %(gain)s nats; %(wanted)s are needed. "
        "Look at the answers that are worst, and at your data for them."
    ) % {
        "name": observed["name"],
        "gain": figure(observed["gain"]),
        "wanted": figure(wanted["gain"]),
    }


def hidden_failure_sentence(name: str, code: str, params: Values) -> str:
    """Why a measurement on hidden questions came to nothing."""
    return " ".join(
        [
            _("“%(name)s” could not be measured on the hidden questions.") % {"name": name},
            engine_failure_sentence(code, dict(params)),
            _("This measurement does not count."),
        ]
    )


def figure(value: float) -> str:
    return number_format(round(value, 2), use_l10n=True)
