"""What stands on a certificate, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def kind_title(kind: str) -> str:
    match kind:
        case "dataset":
            return _("Dataset")
        case "adapter":
            return _("Adapter")
        case "measurement":
            return _("Measurement")
    return kind


def steps_sentence(steps: Mapping[str, int]) -> str:
    """How many steps were passed; that some were not asked for is said."""
    count = ngettext(
        "%(passed)d of %(all)d step passed by evidence",
        "%(passed)d of %(all)d steps passed by evidence",
        steps["all"],
    ) % {"passed": steps["passed"], "all": steps["all"]}
    if not steps["exempt"]:
        return count
    exempt = ngettext(
        "%(count)d exempt by an instructor",
        "%(count)d exempt by an instructor",
        steps["exempt"],
    ) % {"count": steps["exempt"]}
    return _("%(first)s, %(second)s") % {"first": count, "second": exempt}


def figure_phrases(figures: Mapping[str, Any]) -> list[str]:
    """The key figures of one piece of evidence, each with what it is of."""
    phrases: list[str] = []
    if "examples" in figures:
        phrases.append(_counted("examples", figures["examples"]))
    if "steps" in figures:
        phrases.append(_counted("steps", figures["steps"]))
    if "items" in figures:
        phrases.append(_counted("items", figures["items"]))
    if "first_loss" in figures and "last_loss" in figures:
        phrases.append(
            _("training loss from %(first).2f to %(last).2f")
            % {"first": figures["first_loss"], "last": figures["last_loss"]}
        )
    if "baseline" in figures and "loss" in figures:
        phrases.append(
            _("held-out loss %(loss).2f, of the base model %(base).2f")
            % {"loss": figures["loss"], "base": figures["baseline"]}
        )
    elif "gain" in figures:
        phrases.append(
            _("loss on the reference answers lower than the base model's by %(gain).2f nats")
            % {"gain": figures["gain"]}
        )
    return phrases


def _counted(name: str, value: float) -> str:
    count = round(value)
    match name:
        case "examples":
            sentence = ngettext("%(count)d example", "%(count)d examples", count)
        case "steps":
            sentence = ngettext("%(count)d training step", "%(count)d training steps", count)
        case _:
            sentence = ngettext("%(count)d question", "%(count)d questions", count)
    return sentence % {"count": count}
