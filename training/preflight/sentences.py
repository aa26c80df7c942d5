"""What the preflight found, in words."""

from __future__ import annotations

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from training.preflight.change_words import changes_words
from training.preflight.fitting import GivenUp
from training.preflight.forecast import Reason
from training.preflight.memory import Memory, Verdict
from training.preflight.mending import Mend

VERDICTS: dict[Verdict, str | Promise] = {
    "fits": gettext_lazy("Fits"),
    "tight": gettext_lazy("Tight"),
    "does_not_fit": gettext_lazy("Does not fit"),
    "unknown": gettext_lazy("Not known yet"),
}

UNTOLD: dict[Reason, str | Promise] = {
    "not_counted": gettext_lazy(
        "No time can be told: the tokenizer of this base model or the dataset’s file is not on this server yet."
    ),
    "not_measured": gettext_lazy(
        "No time can be told yet: no worker has measured this base model. A worker does so by itself, once it has "
        "nothing else to do. The job can be started all the same."
    ),
    "nothing_to_learn": gettext_lazy(
        "Nothing is left to learn from: every example is left out at this length. Raise the maximum length."
    ),
}


HOPELESS = gettext_lazy("It does not run with these settings: the memory is too short for it.")


def about_words(seconds: float) -> str:
    """A time before the start, as coarse as it is known."""
    if seconds < 10:
        return _("a few seconds")
    if seconds < 55:
        return _("about %(count)d s") % {"count": round(seconds / 5) * 5}
    minutes = seconds / 60
    if minutes < 10:
        # Halves are told as such where a minute more is a tenth or more.
        halves = round(minutes * 2) / 2
        return _("about %(minutes)s min") % {"minutes": number_format(halves).removesuffix(".0")}
    if minutes < 60:
        return _("about %(minutes)s min") % {"minutes": round(minutes)}
    hours, rest = divmod(round(minutes / 5) * 5, 60)
    return _("about %(hours)d h %(minutes)02d min") % {"hours": hours, "minutes": rest}


def memory_sentence(memory: Memory) -> str:
    """The verdict, explained."""
    needed = {
        "needed": filesizeformat(memory.needed_bytes),
        "room": filesizeformat(memory.room_bytes),
    }
    if memory.verdict == "does_not_fit":
        return (
            _(
                "The longest example alone needs %(needed)s beside the base model; %(room)s may be used. "
                "The job would stop before its first step."
            )
            % needed
        )
    if memory.is_slowed:
        return (
            _(
                "Memory is short, so each block is computed twice: %(needed)s of %(room)s, and a third slower."
            )
            % needed
        )
    if memory.verdict == "tight":
        return _("%(needed)s of %(room)s: another program that grows could end the job.") % needed
    return _("%(needed)s of the %(room)s that may be used.") % needed


def mend_sentence(mend: Mend) -> str:
    """What a mend changes, with what it leads to."""
    changes = mend.changes
    length = changes.get("training_config.max_length")
    match mend.code:
        case "gradient_checkpointing":
            change = _("Compute each block twice")
        case "max_length":
            change = _("Maximum length %(length)d") % {"length": length}
        case "optimizer":
            change = _("Adafactor instead of AdamW")
        case "rank":
            change = _("Rank %(rank)d") % {"rank": changes["lora_config.r"]}
        case _:
            change = changes_words(changes)
    return change


def mend_note(mend: Mend) -> str:
    """The new figures."""
    memory, fit = mend.forecast.tightest, mend.forecast.fit
    parts = [str(VERDICTS[mend.forecast.verdict])]
    if memory is not None:
        parts.append(filesizeformat(memory.needed_bytes))
    if mend.forecast.duration_seconds is not None:
        parts.append(about_words(mend.forecast.duration_seconds))
    if fit is not None and fit.cut_answers:
        parts.append(
            ngettext("%(count)d answer cut", "%(count)d answers cut", fit.cut_answers)
            % {"count": fit.cut_answers}
        )
    return " · ".join(parts)


def given_up_sentence(given_up: GivenUp) -> str:
    params = given_up.params
    match given_up.code:
        case "epochs":
            return (
                ngettext(
                    "%(after)d epoch instead of %(before)d: %(steps)d steps, which are enough to learn something.",
                    "%(after)d epochs instead of %(before)d: %(steps)d steps, which are enough to learn something.",
                    params["after"],
                )
                % params
            )
        case "measurements":
            return _("Measured at the end only: there is no held-out curve on the way.")
        case "length":
            return _("%(after)d tokens an example: %(cut)d of them are shortened.") % params
        case "layers":
            return _("Only the attention layers get an adapter: it learns more slowly.")
    return _("Rank %(after)d instead of %(before)d: the adapter can change less.") % params
