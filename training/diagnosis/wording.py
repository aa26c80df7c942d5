"""What was found, its evidence and the next experiment, as sentences in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from training.charts import plain_number

Evidence = Mapping[str, Any]


_TITLES = {
    "diverged": gettext_lazy("The training diverged"),
    "out_of_memory": gettext_lazy("There was not enough memory"),
    "unstable": gettext_lazy("The training was unstable"),
    "no_effect": gettext_lazy("The training had no effect"),
    "memorised": gettext_lazy("The adapter learned by heart"),
    "never_learned_to_stop": gettext_lazy("The adapter did not learn to stop"),
    "answers_cut": gettext_lazy("Answers were cut"),
    "under_trained": gettext_lazy("The adapter could learn more"),
    "good": gettext_lazy("The adapter learned well"),
    "too_little_data": gettext_lazy("There are few examples"),
    "examples_left_out": gettext_lazy("Examples were left out"),
    "no_held_out": gettext_lazy("What can not be told"),
}


def title_of(code: str) -> str:
    """A finding in a few words; empty for a code of another version."""
    return str(_TITLES.get(code, ""))


def sentence_of(code: str, evidence: Evidence) -> str:
    """What the numbers say, in plain words."""
    if code in _SENTENCES:
        return _SENTENCES[code](evidence)
    return ""


def _diverged(evidence: Evidence) -> str:
    if "failed_step" in evidence:
        return _(
            "At step %(step)d the loss was not a number any more: each step went so far that it undid what the ones "
            "before had learned. Nothing of the adapter can be used."
        ) % {"step": evidence["failed_step"]}
    return _(
        "The loss rose far above its first value and did not come back. The steps went so far that they destroyed "
        "what the base model knows; the adapter answers worse than before."
    )


def _out_of_memory(_evidence: Evidence) -> str:
    return _(
        "The device could not hold one example together with the adapter and its optimizer, so the training did not "
        "start or could not go on. The numbers below are what decides over memory."
    )


def _unstable(_evidence: Evidence) -> str:
    return _(
        "The loss jumped instead of falling calmly: what one step learned, another undid. A lower learning rate or "
        "more examples behind each step calm it."
    )


def _no_effect(evidence: Evidence) -> str:
    if "baseline_loss" in evidence:
        return _(
            "The held-out loss is nearly that of the untouched base model: the adapter changes next to nothing. The "
            "learning rate was too low, or there were too few steps."
        )
    return _(
        "The loss is at the end about where it was at the start: the adapter changes next to nothing. The learning "
        "rate was too low, or there were too few steps."
    )


def _memorised(evidence: Evidence) -> str:
    if evidence["best_step"] == 0:
        return _(
            "On its own examples the loss fell, on the held-out ones it never fell below that of the base model: "
            "what was learned helps with no other question."
        )
    return _(
        "On its own examples the loss went on falling, on the held-out ones it rose again after step %(step)d: from "
        "there on the adapter learned single examples by heart instead of what they have in common."
    ) % {"step": evidence["best_step"]}


def _never_learned_to_stop(evidence: Evidence) -> str:
    return ngettext(
        "%(count)d sample answer ran into its limit of %(limit)d tokens, although an answer of the dataset has only "
        "about %(answer)d: the adapter has not learned where an answer ends.",
        "%(count)d sample answers ran into their limit of %(limit)d tokens, although an answer of the dataset has "
        "only about %(answer)d: the adapter has not learned where an answer ends.",
        evidence["endless_samples"],
    ) % {
        "count": evidence["endless_samples"],
        "limit": evidence["sample_tokens"],
        "answer": round(evidence["answer_tokens"]),
    }


def _answers_cut(evidence: Evidence) -> str:
    return ngettext(
        "%(count)d answer is longer than the maximum length, so its end was cut off: the adapter never saw how it "
        "closes.",
        "%(count)d answers are longer than the maximum length, so their ends were cut off: the adapter never saw how "
        "they close.",
        evidence["cut_answers"],
    ) % {"count": evidence["cut_answers"]}


def _under_trained(evidence: Evidence) -> str:
    if "late_fall" not in evidence:
        return ngettext(
            "Only %(count)d step was made: too few to see how the adapter learns.",
            "Only %(count)d steps were made: too few to see how the adapter learns.",
            evidence["steps"],
        ) % {"count": evidence["steps"]}
    return _("The loss was still falling at the end: more steps would go on to improve it.")


def _good(evidence: Evidence) -> str:
    if "baseline_loss" in evidence:
        return _(
            "The loss fell and levelled off, on the held-out examples as well: what was learned helps with questions "
            "that the adapter never saw."
        )
    return _("The loss fell and levelled off: the adapter knows its examples.")


def _too_little_data(evidence: Evidence) -> str:
    return ngettext(
        "%(count)d example is enough to be learned by heart, but not to learn a manner or a skill from.",
        "%(count)d examples are enough to be learned by heart, but not to learn a manner or a skill from.",
        evidence["examples"],
    ) % {"count": evidence["examples"]}


def _examples_left_out(evidence: Evidence) -> str:
    return ngettext(
        "%(count)d example was too long and took no part in the training.",
        "%(count)d examples were too long and took no part in the training.",
        evidence["dropped"],
    ) % {"count": evidence["dropped"]}


def _no_held_out(_evidence: Evidence) -> str:
    return _(
        "No examples were held out. So the numbers can not tell whether the adapter learned something of general use "
        "or only these examples by heart."
    )


_SENTENCES: dict[str, Callable[[Evidence], str]] = {
    "diverged": _diverged,
    "out_of_memory": _out_of_memory,
    "unstable": _unstable,
    "no_effect": _no_effect,
    "memorised": _memorised,
    "never_learned_to_stop": _never_learned_to_stop,
    "answers_cut": _answers_cut,
    "under_trained": _under_trained,
    "good": _good,
    "too_little_data": _too_little_data,
    "examples_left_out": _examples_left_out,
    "no_held_out": _no_held_out,
}


def worded(diagnosis: Mapping[str, Any]) -> dict[str, Any]:
    """A stored diagnosis with its sentences beside the codes and numbers."""
    findings = [
        {
            **finding,
            "title": title_of(finding["code"]),
            "sentence": sentence_of(finding["code"], finding["evidence"]),
            "next_sentence": _next_sentence(finding["next"]),
        }
        for finding in diagnosis.get("findings", [])
    ]
    return {**diagnosis, "findings": findings} if findings else {}


def _next_sentence(step: Mapping[str, Any] | None) -> str:
    return experiment_sentence(step["code"], step["params"]) if step else ""


_LABELS = {
    "first_loss": gettext_lazy("First loss"),
    "start_loss": gettext_lazy("Loss at the start"),
    "peak_loss": gettext_lazy("Highest loss"),
    "lowest_loss": gettext_lazy("Lowest loss"),
    "end_loss": gettext_lazy("Loss at the end"),
    "baseline_loss": gettext_lazy("Held-out loss of the base model"),
    "best_held_out": gettext_lazy("Best held-out loss"),
    "best_step": gettext_lazy("Step of the best"),
    "last_held_out": gettext_lazy("Last held-out loss"),
    "late_fall": gettext_lazy("Share of the fall in the last third"),
    "noise": gettext_lazy("Usual jump between two points"),
    "spikes": gettext_lazy("Spikes"),
    "usual_gradient": gettext_lazy("Usual gradient norm"),
    "largest_gradient": gettext_lazy("Largest gradient norm"),
    "steps": gettext_lazy("Steps"),
    "failed_step": gettext_lazy("Step"),
    "epochs": gettext_lazy("Epochs"),
    "learning_rate": gettext_lazy("Learning rate"),
    "max_length": gettext_lazy("Maximum length"),
    "rank": gettext_lazy("Rank"),
    "examples": gettext_lazy("Examples"),
    "cut_answers": gettext_lazy("Answers cut"),
    "dropped": gettext_lazy("Examples left out"),
    "samples": gettext_lazy("Sample answers"),
    "endless_samples": gettext_lazy("Of them without an end"),
    "answer_tokens": gettext_lazy("Tokens of an answer, on average"),
    "sample_tokens": gettext_lazy("Most tokens of a sample answer"),
    "needed_bytes": gettext_lazy("Memory needed"),
    "available_bytes": gettext_lazy("Memory free"),
}


def evidence_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """The numbers behind a finding, each with its name."""
    return [
        (str(_LABELS[name]), _value_text(name, value))
        for name, value in evidence.items()
        if name in _LABELS and value is not None
    ]


def _value_text(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return filesizeformat(value)
    if name == "late_fall":
        return f"{value * 100:.0f}%"
    if name == "learning_rate":
        return plain_number(value)
    if name.endswith("_loss") or name in ("best_held_out", "last_held_out", "noise"):
        return f"{value:.3f}"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


_EXPERIMENTS = {
    "raise_learning_rate": gettext_lazy("Try a higher learning rate: %(value)s."),
    "lower_learning_rate": gettext_lazy("Try a lower learning rate: %(value)s."),
    "more_epochs": gettext_lazy("Train longer: %(value)s epochs."),
    "fewer_epochs": gettext_lazy("Stop sooner: epochs set to %(value)s."),
    "more_accumulation": gettext_lazy("Sum up %(value)s batches before each step."),
    "hold_out": gettext_lazy("Train again with a fifth of the examples held out."),
    "longer_examples": gettext_lazy("Allow longer examples: %(value)s tokens."),
    "shorter_examples": gettext_lazy("Allow shorter examples only: %(value)s tokens."),
    "smaller_rank": gettext_lazy("See whether a smaller adapter does as well: rank %(value)s."),
    "smaller_rank_for_memory": gettext_lazy("Make the adapter smaller: rank %(value)s."),
    "smaller_optimizer": gettext_lazy("Use Adafactor, which keeps less beside each weight."),
    "compute_twice": gettext_lazy("Let gradient checkpointing save memory."),
    "add_examples": gettext_lazy("Add examples to the dataset."),
    "shorter_answers": gettext_lazy("Shorten the long answers in the dataset, or split them."),
}


def experiment_sentence(code: str, params: Mapping[str, Any]) -> str:
    """What to try next; empty for a code of another version."""
    value = next(map(_plain, params.values()), "")
    return str(_EXPERIMENTS.get(code, "")) % {"value": value}


def _plain(value: Any) -> str:
    return plain_number(value) if isinstance(value, float) else str(value)
