"""What is worth a word about the settings, as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.preflight.warnings import Advice

Words = Callable[[Mapping[str, Any]], str]


def advice_sentence(advice: Advice) -> str:
    return _SENTENCES[advice.code](advice.params)


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in params.items()
    }


_SENTENCES: dict[str, Words] = {
    "refused": lambda params: (
        ngettext(
            "The chat template of this base model refuses %(count)d example, and the job would stop there. "
            "Change the example, or choose another model.",
            "The chat template of this base model refuses %(count)d examples, and the job would stop there. "
            "Change the examples, or choose another model.",
            params["count"],
        )
        % params
    ),
    "diverges": lambda params: (
        _(
            "A learning rate of %(rate)s is so high that the loss will probably blow up, and nothing is learned."
        )
        % _plain(params)
    ),
    "strong_alpha": lambda params: (
        _(
            "Alpha is %(scaling)s times the rank, so the adapter drowns out the base model. %(usual)s times is usual."
        )
        % _plain(params)
    ),
    "no_effect": lambda params: (
        ngettext(
            "%(steps)d step at a learning rate of %(rate)s changes nothing: the adapter answers like the base model.",
            "%(steps)d steps at a learning rate of %(rate)s change nothing: the adapter answers like the base model.",
            params["steps"],
        )
        % _plain(params)
    ),
    "few_steps": lambda params: (
        ngettext(
            "%(steps)d step is hardly enough to learn anything; about %(enough)d are.",
            "%(steps)d steps are hardly enough to learn anything; about %(enough)d are.",
            params["steps"],
        )
        % params
    ),
    "long_warmup": lambda params: (
        _(
            "The warm-up takes %(warmup)d of %(steps)d steps, so the full learning rate is hardly ever reached."
        )
        % params
    ),
    "large_batch": lambda params: (
        _(
            "A step takes %(batch)d examples, but only %(examples)d are learned from: each epoch is a single step."
        )
        % params
    ),
    "nothing_held_out": lambda params: _(
        "The dataset is too small to hold anything out, so nothing will be measured."
    ),
    "patience_unused": lambda params: _(
        "Early stopping looks at held-out examples, and there are none: it does nothing."
    ),
    "patience_too_long": lambda params: (
        _(
            "Early stopping waits for %(patience)d evaluations, but there are only %(evaluations)d: it does nothing."
        )
        % params
    ),
    "few_held_out": lambda params: (
        ngettext(
            "Only %(count)d example is held out: its loss says little.",
            "Only %(count)d examples are held out: their loss says little.",
            params["count"],
        )
        % params
    ),
    "answers_cut": lambda params: (
        ngettext(
            "%(count)d answer is longer than the maximum length. Its end is missing, so the adapter learns "
            "not to end it.",
            "%(count)d answers are longer than the maximum length. Their ends are missing, so the adapter learns "
            "not to end them.",
            params["count"],
        )
        % params
    ),
    "left_out": lambda params: (
        ngettext(
            "%(count)d example is left out, because it is too long or holds nothing to learn.",
            "%(count)d examples are left out, because they are too long or hold nothing to learn.",
            params["count"],
        )
        % params
    ),
    "by_heart": lambda params: (
        _(
            "%(epochs)d epochs over %(examples)d examples: they will be learned by heart, word for word. "
            "That is fine for a handful of fixed answers, and bad for questions in other words."
        )
        % params
    ),
    "large_rank": lambda params: (
        _(
            "Rank %(rank)d for %(examples)d examples: the adapter is far larger than what it can learn from them."
        )
        % params
    ),
    "dropout": lambda params: (
        _(
            "Dropout on %(examples)d examples mostly makes learning slower, and each step takes longer."
        )
        % params
    ),
    "no_curve": lambda params: (
        _(
            "A point of the curve every %(interval)d steps, but only %(steps)d steps: there will be no curve."
        )
        % params
    ),
}
