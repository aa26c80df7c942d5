"""The questions that a learning adapter answers again and again, as a person or a program gives them."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import ngettext

from common.errors import Fault

MAX_SAMPLE_PROMPTS = 5
"""Each is answered at every evaluation, which takes seconds on a CPU."""
MAX_SAMPLE_PROMPT_CHARACTERS = 500


def read_sample_prompts(prompts: Iterable[str], faults: list[Fault]) -> list[str]:
    """The questions without blank ones; what can not be used is added to the faults."""
    asked = [text for prompt in prompts if (text := prompt.strip())]
    if len(asked) > MAX_SAMPLE_PROMPTS:
        faults.append(_fault(_too_many()))
    if any(len(text) > MAX_SAMPLE_PROMPT_CHARACTERS for text in asked):
        faults.append(_fault(_too_long()))
    return asked


def _fault(sentence: str) -> Fault:
    return Fault(sentence, field="sample_prompts")


def _too_many() -> str:
    return ngettext(
        "Ask %(count)d question at most: each one is answered again and again while the adapter learns.",
        "Ask %(count)d questions at most: each one is answered again and again while the adapter learns.",
        MAX_SAMPLE_PROMPTS,
    ) % {"count": MAX_SAMPLE_PROMPTS}


def _too_long() -> str:
    return ngettext(
        "A question may have %(count)d character at most. Shorten it.",
        "A question may have %(count)d characters at most. Shorten it.",
        MAX_SAMPLE_PROMPT_CHARACTERS,
    ) % {"count": MAX_SAMPLE_PROMPT_CHARACTERS}
