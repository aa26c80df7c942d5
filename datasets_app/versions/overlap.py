"""Examples of an evaluation set that stand in a training set too: they would be remembered, not understood.

A leak is a question that is asked in both sets: the same one, or one of whose runs of eight tokens at least 70 % are
found in the training set. Tokens are words, or characters where there are no spaces between words. Source of the length
and of the share: A. Chowdhery et al., PaLM: Scaling Language Modeling with Pathways (2022), section 8. A bare text asks
nothing, so all of it is compared. Answers are no part of it: a set that asks in other words for what was taught has the
same ones by design. They are counted apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datasets_app.intake.quality import answers_of, normalised
from engine.data.records import Example

RUN_TOKENS = 8
LEAK_SHARE = 0.7
MAX_EVALUATION_EXAMPLES = 5000
MAX_TRAINING_CHARACTERS = 5_000_000
"""So much of a training set is compared; beyond it the answer is about its beginning."""

_MAX_RUNS = 400
_TOKEN = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]|[^\\W\u3040-\u30ff\u3400-\u9fff]+"
)


@dataclass(frozen=True, slots=True)
class Leak:
    """One example of the evaluation set that is in the training set.

    Attributes:
        number, training_number: their places, from 1.
        share: of its question's runs that were found; 1 where the question is the same.
    """

    number: int
    training_number: int
    share: float
    is_same_question: bool

    @property
    def percent(self) -> int:
        return round(100 * self.share)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was compared and what was found.

    Attributes:
        shared_answer_count: examples that are no leak, and whose answer some training example gives as well.
    """

    evaluation_count: int
    training_count: int
    is_whole: bool
    leaks: list[Leak]
    shared_answer_count: int


def find_overlap(training: Iterable[Example], evaluation: Iterable[Example]) -> Overlap:
    """Look up every example of the evaluation set in the training set, read once."""
    index = _EvaluationIndex()
    is_whole = True
    for example in evaluation:
        if index.count == MAX_EVALUATION_EXAMPLES:
            is_whole = False
            break
        index.add(example)
    count = characters = 0
    for example in training:
        if characters > MAX_TRAINING_CHARACTERS:
            is_whole = False
            break
        count += 1
        characters += index.look_up(example, count)
    leaks = list(index.leaks())
    shared = index.shared_answers().difference(leak.number for leak in leaks)
    return Overlap(index.count, count, is_whole, leaks, len(shared))


class _EvaluationIndex:
    """Questions, runs and answers of the evaluation set, each with the first training example that has it."""

    def __init__(self) -> None:
        self.count = 0
        self._questions: dict[str, int] = {}
        self._answers: dict[str, int] = {}
        self._found: dict[int, int] = {}
        self._question_of: list[str] = []
        self._answer_of: list[str] = []
        self._runs_of: list[tuple[int, ...]] = []

    def add(self, example: Example) -> None:
        self.count += 1
        asked = _asked(example)
        question, answer = normalised(asked), _answer(example)
        runs = tuple(dict.fromkeys(_runs(asked)))[:_MAX_RUNS]
        self._question_of.append(question)
        self._answer_of.append(answer)
        self._runs_of.append(runs)
        if question:
            self._questions.setdefault(question, 0)
        if answer:
            self._answers.setdefault(answer, 0)
        for run in runs:
            self._found.setdefault(run, 0)

    def look_up(self, example: Example, number: int) -> int:
        """Remember where a training example meets the evaluation set; gives its length."""
        asked = _asked(example)
        question, answer = normalised(asked), _answer(example)
        if self._questions.get(question) == 0:
            self._questions[question] = number
        if self._answers.get(answer) == 0:
            self._answers[answer] = number
        for run in _runs(asked):
            if self._found.get(run) == 0:
                self._found[run] = number
        return len(asked) + len(answer)

    def leaks(self) -> Iterator[Leak]:
        for index, (question, runs) in enumerate(
            zip(self._question_of, self._runs_of, strict=True), start=1
        ):
            asked_at = self._questions.get(question, 0)
            if asked_at:
                yield Leak(index, asked_at, 1.0, is_same_question=True)
                continue
            places = [self._found[run] for run in runs if self._found[run]]
            share = len(places) / len(runs) if runs else 0.0
            if share >= LEAK_SHARE:
                yield Leak(index, max(places, key=places.count), share, is_same_question=False)

    def shared_answers(self) -> set[int]:
        """Places of the examples whose answer is given in the training set."""
        return {
            index
            for index, answer in enumerate(self._answer_of, start=1)
            if self._answers.get(answer)
        }


def _asked(example: Example) -> str:
    """What is asked; of a bare text all of it. What stands before every question alike is no part of one."""
    if not example.turns:
        return example.prompt or example.completion
    read = (turn for turn in example.turns if not turn.is_trained and turn.role != "system")
    return "\n".join(turn.content for turn in read)


def _answer(example: Example) -> str:
    """What is answered, without case and punctuation; empty for a bare text."""
    is_bare = not example.turns and not example.prompt
    return "" if is_bare else normalised("\n".join(answers_of(example)))


def _runs(text: str) -> Iterator[int]:
    """Fingerprints of the runs of a text; a text of fewer tokens is a run of its own."""
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    for start in range(max(1, len(tokens) - RUN_TOKENS + 1)):
        run = tuple(tokens[start : start + RUN_TOKENS])
        if run:
            yield hash(run)
