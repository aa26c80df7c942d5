"""What is odd about single examples that can be used all the same."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from datasets_app.intake.findings import Findings
from datasets_app.intake.personal_data import personal_data_in
from engine.data.records import Example, Turn

SHORT_ANSWER_CHARACTERS = 3
_SPECIAL_TOKENS = re.compile(
    r"<\|[a-zA-Z_]{2,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<\uff5c[^\uff5c]{2,40}\uff5c>"
    r"|(?:^|\n)### ?(?:Instruction|Response|Input|Human|Assistant):"
)
_MARKUP = re.compile(
    r"</?(?:p|div|span|br|table|tr|td|li|ul|ol|font|a|b|i|img|h[1-6])(?:\s[^<>=]{0,100}=[^<>]{0,200})?\s{0,9}/?>|&(?:nbsp|amp|lt|gt|quot|#\d{2,5});",
    re.IGNORECASE,
)
_NOT_LETTERS = re.compile(r"[\W_]+")


def texts_of(example: Example) -> list[str]:
    """Every text of an example."""
    return [turn.content for turn in example.turns] or [example.prompt, example.completion]


def question_of(example: Example) -> str:
    """What is read and not learned."""
    if not example.turns:
        return example.prompt
    return "\n".join(turn.content for turn in example.turns if not turn.is_trained)


def answers_of(example: Example) -> list[str]:
    """What is learned."""
    return [turn.content for turn in example.turns if turn.is_trained] or [example.completion]


# The texts of an example are compared with each other first and with those of all examples right after.
@lru_cache(maxsize=16)
def normalised(text: str) -> str:
    """Text without case, width, punctuation and white space: what makes two texts the same to a reader."""
    return _NOT_LETTERS.sub("", unicodedata.normalize("NFKC", text).casefold())


def check_example(example: Example, line: int, findings: Findings) -> None:
    """Tell every oddity of one example."""
    answers = answers_of(example)
    short = next((text for text in answers if len(text.strip()) < SHORT_ANSWER_CHARACTERS), None)
    if short is not None:
        findings.note("short_answers", line, excerpt=short, characters=SHORT_ANSWER_CHARACTERS)
    if _repeats_question(example):
        findings.warn("repeated_question", line, excerpt=answers[-1])
    if example.turns:
        _check_roles(example.turns, line, findings)
    for text in texts_of(example):
        _check_text(text, line, findings)


def _repeats_question(example: Example) -> bool:
    questions = (
        [turn.content for turn in example.turns if turn.role == "user"]
        if example.turns
        else [example.prompt]
    )
    asked = {normalised(text) for text in questions} - {""}
    return any(normalised(answer) in asked for answer in answers_of(example))


def _check_roles(turns: tuple[Turn, ...], line: int, findings: Findings) -> None:
    roles = [turn.role for turn in turns]
    if roles[-1] != "assistant":
        findings.warn("ends_without_answer", line, role=roles[-1])
    spoken = [role for role in roles if role != "system"]
    is_in_turn = all(role == ("user", "assistant")[index % 2] for index, role in enumerate(spoken))
    if not is_in_turn or "system" in roles[1:]:
        findings.warn("role_order", line, roles=", ".join(roles[:6]))


def _check_text(text: str, line: int, findings: Findings) -> None:
    if "<" in text or "[" in text or "#" in text or "&" in text:
        token = _SPECIAL_TOKENS.search(text)
        if token:
            findings.warn("special_tokens", line, excerpt=text, found=token[0].strip())
        markup = _MARKUP.search(text)
        if markup:
            findings.note("markup", line, excerpt=text, found=markup[0][:40])
    personal = personal_data_in(text)
    if personal:
        findings.warn("personal_data", line, excerpt=personal[1], kind=personal[0])
