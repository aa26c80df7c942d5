"""A forecast as the API answers it."""

from __future__ import annotations

from typing import Any

from training.preflight.advice_sentences import advice_sentence
from training.preflight.draft import Draft
from training.preflight.estimate import stored_form
from training.preflight.fitting import fit_into
from training.preflight.forecast import Forecaster
from training.preflight.mending import memory_mends
from training.preflight.page import advice_of
from training.preflight.sentences import UNTOLD, given_up_sentence, mend_sentence


def estimate_answer(draft: Draft, fit_minutes: float | None = None) -> dict[str, Any]:
    """Everything that the page tells; figures that can not be told honestly are null."""
    forecaster = Forecaster(draft)
    forecast = forecaster.forecast()
    fit, memory = forecast.fit, forecast.tightest
    return stored_form(forecast) | {
        "steps_per_epoch": forecast.plan.steps_per_epoch,
        "example_count": forecast.plan.example_count,
        "eval_example_count": forecast.plan.eval_example_count,
        "trainable_parameters": forecast.plan.trainable_parameters,
        "adapter_size_bytes": forecast.plan.adapter_size_bytes,
        "truncated_examples": None if fit is None else fit.shortened + fit.cut_answers,
        "cut_answers": None if fit is None else fit.cut_answers,
        "left_out_examples": None if fit is None else fit.left_out,
        "room_bytes": None if memory is None else memory.room_bytes,
        "needed_bytes": None if memory is None else memory.needed_bytes,
        "untold": str(UNTOLD[forecast.reason]) if forecast.reason else "",
        "advice": [
            {
                "code": advice.code,
                "level": advice.level,
                "text": advice_sentence(advice),
                "changes": advice.changes,
            }
            for advice in advice_of(forecaster, forecast)
        ],
        "mends": [
            {
                "code": mend.code,
                "text": mend_sentence(mend),
                "changes": mend.changes,
                "verdict": mend.forecast.verdict,
                "needed_bytes": mend.forecast.tightest and mend.forecast.tightest.needed_bytes,
                "duration_seconds": mend.forecast.duration_seconds,
            }
            for mend in memory_mends(forecaster, forecast)
        ],
        "fit": None if fit_minutes is None else _fit(forecaster, fit_minutes),
    }


def _fit(forecaster: Forecaster, minutes: float) -> dict[str, Any] | None:
    proposal = fit_into(forecaster, minutes * 60)
    if proposal is None:
        return None
    return {
        "is_possible": proposal.is_possible,
        "changes": proposal.changes,
        "given_up": [given_up_sentence(each) for each in proposal.given_up],
        "duration_seconds": proposal.forecast.duration_seconds,
    }
