"""The outcome of a run in sentences: how each model did, and who is better than whom, or that it is too few to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.models import PromptRun
from chat.prompt_sets.evidence import read_differences, read_estimates
from chat.prompt_sets.results import MEASURES, Measure, ModelFacts, Results
from chat.prompt_sets.statistics import Difference, Estimate
from chat.sentences import error_sentence

LABELS = {
    "exact": gettext_lazy("Exactly right"),
    "similarity": gettext_lazy("Similarity (0 to 100)"),
    "loss": gettext_lazy("Loss on the hoped-for answers"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one model.

    Attributes:
        value: the mean; range_words its interval.
        verdict: better, worse or unclear against the model it is held against; empty for that itself.
        comparison: the same in a sentence.
    """

    measure: Measure
    label: str
    value: str
    range_words: str
    verdict: str
    comparison: str


@dataclass(frozen=True, slots=True)
class ModelOutcome:
    """How one model did."""

    model: ModelFacts
    answered_words: str
    figures: list[Figure]
    baseline_name: str

    @property
    def is_tuned(self) -> bool:
        return self.model["kind"] == "tuned"


def outcomes_of(run: PromptRun, results: Results) -> list[ModelOutcome]:
    """Every model in its order."""
    return [_outcome(results, place, len(run.items)) for place in range(len(results["models"]))]


def source_words(run: PromptRun) -> str:
    """Where the questions come from."""
    match run.source.get("kind"):
        case "course":
            return _("Questions of the course, unchanged")
        case "dataset" if run.source.get("held_out_from"):
            return _("Examples that were held out from a training job")
        case "dataset":
            return _("Version %(number)d of a dataset") % {"number": run.source.get("version", 1)}
    return _("A prompt set of your own")


def failure_sentence(code: str, params: dict[str, Any]) -> str:
    """Why a question has no answer, and what to do; the same failure of a chat asks for something else."""
    match code:
        case "prompt_too_long":
            return _(
                "The question is longer than the model can read at once. Shorten it, then run the set again."
            )
        case "worker_stopped":
            return _(
                "The worker was stopped twice before this answer was complete. Run the set again later."
            )
        case "adapter_unusable":
            return _(
                "The adapter's files are missing: its job was deleted, or they are damaged. "
                "The other answers are not affected."
            )
    return error_sentence(code, params)


def _outcome(results: Results, place: int, item_count: int) -> ModelOutcome:
    summary, stored = results["summary"][place], results["differences"][place]
    estimates, differences = read_estimates(summary), read_differences(stored)
    baseline = stored["baseline"]
    name = results["models"][baseline]["name"] if baseline is not None else ""
    words = ngettext(
        "Answered %(answered)d of %(count)d question",
        "Answered %(answered)d of %(count)d questions",
        item_count,
    )
    return ModelOutcome(
        model=results["models"][place],
        answered_words=words % {"answered": summary["answered"], "count": item_count},
        figures=[
            _figure(measure, estimates[measure], differences.get(measure), name)
            for measure in MEASURES
            if measure in estimates
        ],
        baseline_name=name,
    )


def _figure(
    measure: Measure, estimate: Estimate, difference: Difference | None, baseline: str
) -> Figure:
    return Figure(
        measure=measure,
        label=str(LABELS[measure]),
        value=_value(measure, estimate.mean),
        range_words=_("%(low)s to %(high)s")
        % {"low": _value(measure, estimate.low), "high": _value(measure, estimate.high)},
        verdict=difference.verdict if difference else "",
        comparison=_comparison(difference, baseline) if difference else "",
    )


def _value(measure: Measure, value: float) -> str:
    match measure:
        case "exact":
            return f"{number_format(round(value * 100), 0)}%"
        case "similarity":
            return str(number_format(round(value, 1), 1))
    return str(number_format(round(value, 2), 2))


def _comparison(difference: Difference, baseline: str) -> str:
    counts = _("better on %(wins)d, worse on %(losses)d, the same on %(ties)d") % {
        "wins": difference.wins,
        "losses": difference.losses,
        "ties": difference.ties,
    }
    match difference.verdict:
        case "better":
            verdict = _("Better than %(name)s") % {"name": baseline}
        case "worse":
            verdict = _("Worse than %(name)s") % {"name": baseline}
        case _ if not difference.wins and not difference.losses:
            verdict = _("No different from %(name)s") % {"name": baseline}
        case _:
            verdict = _("Too few questions to tell it from %(name)s") % {"name": baseline}
    return _("%(verdict)s: %(counts)s.") % {"verdict": verdict, "counts": counts}
