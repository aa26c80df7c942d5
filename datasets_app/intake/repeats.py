"""Examples that stand more than once, word for word or nearly, and questions with several answers.

Only fingerprints of eight bytes are kept: a million examples take 28 megabytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b

from datasets_app.intake.findings import Findings
from datasets_app.intake.quality import answers_of, normalised, question_of
from engine.data.records import Example


class Repeats:
    """Takes every example once and tells at the end what came again."""

    def __init__(self) -> None:
        self._lines = array("L")
        self._exact = array("Q")
        self._questions = array("Q")
        self._answers = array("Q")

    def add(self, encoded: bytes, example: Example, line: int) -> None:
        self._lines.append(line)
        self._exact.append(_fingerprint(encoded))
        self._questions.append(_fingerprint(normalised(question_of(example)).encode()))
        answers = "\n".join(map(normalised, answers_of(example)))
        self._answers.append(_fingerprint(answers.encode()))

    def tell(self, findings: Findings) -> None:
        """Duplicates, near duplicates, and questions that are answered in different ways."""
        copies = {
            index: first
            for group in _groups(self._exact)
            for first, *rest in [group]
            for index in rest
        }
        for index in sorted(copies):
            findings.warn("duplicates", self._lines[index], first=self._lines[copies[index]])
        near: dict[int, int] = {}
        other: dict[int, int] = {}
        for group in _groups(self._questions):
            by_answer: dict[int, int] = {}
            for index in group:
                same = by_answer.setdefault(self._answers[index], index)
                if index in copies:
                    continue
                if same != index:
                    near[index] = same
                elif index != group[0] and self._has_question(index):
                    other[index] = group[0]
        for index in sorted(near):
            findings.warn("near_duplicates", self._lines[index], first=self._lines[near[index]])
        for index in sorted(other):
            findings.warn("different_answers", self._lines[index], first=self._lines[other[index]])

    def _has_question(self, index: int) -> bool:
        return self._questions[index] != _NO_TEXT


def _fingerprint(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


_NO_TEXT = _fingerprint(b"")


def _groups(values: array[int]) -> Iterator[list[int]]:
    """Indices of equal values, where there is more than one, each group in rising order."""
    order = array("L", sorted(range(len(values)), key=values.__getitem__))
    start = 0
    for position in range(1, len(order) + 1):
        if position == len(order) or values[order[position]] != values[order[start]]:
            if position - start > 1:
                yield list(order[start:position])
            start = position
