"""What the preflight page shows of a draft: everything in words, and changes as the page applies them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from common.errors import UnavailableError
from datasets_app.preview.tokens import ModelExample, PreviewSettings, first_examples
from training.preflight.advice_sentences import advice_sentence
from training.preflight.change_words import changes_words
from training.preflight.changes import Changes
from training.preflight.draft import Draft
from training.preflight.duration import evaluation_count
from training.preflight.fitting import Proposal, fit_into
from training.preflight.forecast import Forecast, Forecaster, ready_model
from training.preflight.memory import Memory
from training.preflight.mending import Mend, memory_mends
from training.preflight.sentences import (
    HOPELESS,
    UNTOLD,
    VERDICTS,
    about_words,
    given_up_sentence,
    memory_sentence,
    mend_note,
    mend_sentence,
)
from training.preflight.tokens import TokenFit
from training.preflight.warnings import Advice, Facts, warnings_of


@dataclass(frozen=True, slots=True)
class Button:
    """A change that one click applies to the form.

    Attributes:
        words: what it changes.
        note: what comes of it.
        changes: as JSON.
    """

    words: str
    note: str
    changes: str


@dataclass(frozen=True, slots=True)
class ShownAdvice:
    level: str
    sentence: str
    button: Button | None


@dataclass(frozen=True, slots=True)
class ShownMemory:
    """Attributes:
    level: of its badge.
    share: of the room, in percent, 100 at most.
    """

    verdict: str
    label: str
    level: str
    sentence: str
    share: int
    buttons: list[Button]


LEVELS = {"fits": "success", "tight": "warning", "does_not_fit": "danger", "unknown": "neutral"}


def plan_context(draft: Draft) -> dict[str, Any]:
    """The plan's card."""
    forecaster = Forecaster(draft)
    forecast = forecaster.forecast()
    seconds, slowest = forecast.duration_seconds, forecast.slowest
    is_hopeless = forecast.verdict == "does_not_fit"
    return {
        "plan": forecast.plan,
        "epochs": draft.training.num_epochs,
        "base_model": draft.base_model,
        "time": None if seconds is None or is_hopeless else about_words(seconds),
        "untold": HOPELESS if is_hopeless else UNTOLD.get(forecast.reason, ""),
        "device": slowest.device if slowest else None,
        "others": [(each.device.name, about_words(each.seconds)) for each in forecast.devices[1:]],
        "memory": _shown_memory(forecast.tightest, memory_mends(forecaster, forecast)),
        "advice": [_shown_advice(advice) for advice in advice_of(forecaster, forecast)],
    }


def fit_context(draft: Draft, minutes: float) -> dict[str, Any]:
    """The answer to "make it fit in so many minutes"."""
    proposal = fit_into(Forecaster(draft), minutes * 60)
    if proposal is None:
        return {"untold": UNTOLD[Forecaster(draft).forecast().reason]}
    seconds = proposal.forecast.duration_seconds or 0.0
    return {
        "proposal": proposal,
        "minutes": minutes,
        "time": about_words(seconds),
        "given_up": [given_up_sentence(each) for each in proposal.given_up],
        "button": _proposal_button(proposal) if proposal.changes else None,
    }


def rows_context(draft: Draft) -> dict[str, Any]:
    """The first examples as the model will see them, with what becomes of all of them at this length."""
    model = ready_model(draft.base_model.name)
    if model is None:
        return {"untold": UNTOLD["not_counted"]}
    training = draft.training
    settings = PreviewSettings(model, training.max_length, training.overlong)
    try:
        examples: list[ModelExample] = first_examples(draft.dataset_version, settings)
    except UnavailableError as error:
        return {"untold": str(error.message)}
    counts = Forecaster(draft).counts
    fit: TokenFit | None = None
    if counts is not None:
        fit = counts.at(training.max_length, training.overlong)
    return {
        "examples": examples,
        "fit": fit,
        "is_sample": counts is not None and counts.is_sample,
        "dataset": draft.dataset_version.dataset,
        "max_length": training.max_length,
    }


def advice_of(forecaster: Forecaster, forecast: Forecast) -> list[Advice]:
    """Everything that is worth a word about a draft."""
    draft, plan, fit = forecaster.draft, forecast.plan, forecast.fit
    counts = forecaster.counts
    counted: dict[str, int] = {}
    if fit is not None and counts is not None:
        counted = {
            "cut_answers": fit.cut_answers,
            "left_out": fit.left_out,
            "refused": fit.refused,
            "whole_answer_length": counts.whole_answer_length,
        }
    return warnings_of(
        Facts(
            lora=draft.lora,
            training=draft.training,
            example_count=plan.example_count,
            held_out_count=plan.eval_example_count,
            steps_per_epoch=plan.steps_per_epoch,
            evaluation_count=evaluation_count(plan, draft.training),
            context_length=draft.base_model.context_length,
            has_eval_dataset=draft.eval_dataset_version is not None,
            **counted,
        )
    )


def as_json(changes: Changes) -> str:
    return json.dumps(dict(changes), ensure_ascii=False)


def _shown_advice(advice: Advice) -> ShownAdvice:
    button = None
    if advice.changes:
        button = Button(changes_words(advice.changes), "", as_json(advice.changes))
    return ShownAdvice(advice.level, advice_sentence(advice), button)


def _shown_memory(memory: Memory | None, mends: list[Mend]) -> ShownMemory | None:
    if memory is None:
        return None
    return ShownMemory(
        verdict=memory.verdict,
        label=str(VERDICTS[memory.verdict]),
        level=LEVELS[memory.verdict],
        sentence=memory_sentence(memory),
        share=min(100, round(100 * memory.share)),
        buttons=[
            Button(mend_sentence(mend), mend_note(mend), as_json(mend.changes)) for mend in mends
        ],
    )


def _proposal_button(proposal: Proposal) -> Button:
    return Button(changes_words(proposal.changes), "", as_json(proposal.changes))
