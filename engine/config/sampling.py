"""How an answer is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config.parameters import parameter
from engine.config.settings import Settings
from engine.marking import _


@dataclass(frozen=True, slots=True)
class SamplingParams(Settings):
    """How an answer is drawn from the model's distribution."""

    temperature: float = parameter(
        0.7,
        kind="number",
        minimum=0,
        maximum=2,
        label=_("Temperature"),
        help=_("0 always takes the likeliest token; higher values vary more."),
    )
    top_p: float = parameter(
        0.95,
        kind="number",
        minimum=0.01,
        maximum=1,
        label=_("Top-p"),
        help=_("Draws only from the likeliest tokens that together reach this probability."),
    )
    max_tokens: int = parameter(
        256,
        kind="integer",
        minimum=1,
        maximum=4096,
        label=_("Maximum tokens"),
        help=_("The answer is cut after this many tokens."),
    )
    seed: int = parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=2**32 - 1,
        label=_("Seed"),
        help=_("The same seed, settings and conversation give the same answer."),
    )
    top_k: int = parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=1000,
        label=_("Top-k"),
        help=_("Draws only from this many of the likeliest tokens. 0 sets no limit."),
        advanced=True,
    )
    repetition_penalty: float = parameter(
        1.0,
        kind="number",
        minimum=0.5,
        maximum=2,
        label=_("Repetition penalty"),
        help=_(
            "Above 1, tokens that stand in the conversation already become less likely; 1 changes nothing."
        ),
        advanced=True,
    )
    stop: tuple[str, ...] = parameter(
        (),
        kind="strings",
        most_items=4,
        most_characters=64,
        label=_("Stop texts"),
        help=_("The answer ends before the first of these texts, at most four."),
        advanced=True,
    )
    logprobs: int = parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=5,
        label=_("Log-probabilities"),
        help=_(
            "Shows for every token how sure the model was, and this many likeliest alternatives. 0 shows nothing."
        ),
        advanced=True,
    )
