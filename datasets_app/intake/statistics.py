"""Lengths and languages of the examples. Counted in characters: words say nothing in Japanese."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

from datasets_app.intake.findings import Findings
from datasets_app.intake.languages import language_of
from datasets_app.intake.quality import answers_of, question_of
from engine.data.records import Example

_ENOUGH_EXAMPLES = 10
_MIXED_SHARE = 0.1
_LONG_FACTOR = 20
_QUANTILES = {"minimum": 0.0, "median": 0.5, "p95": 0.95, "maximum": 1.0}


class Statistics:
    """Takes every example once; lengths are kept as numbers of four bytes."""

    def __init__(self) -> None:
        self._questions = array("I")
        self._answers = array("I")
        self._languages: Counter[str] = Counter()
        self._turns: Counter[int] = Counter()

    def add(self, example: Example) -> None:
        answers = answers_of(example)
        self._questions.append(len(question_of(example)))
        self._answers.append(sum(map(len, answers)))
        self._languages[language_of(answers[-1])] += 1
        self._turns[len(answers)] += 1

    def as_dict(self) -> dict[str, Any]:
        """`{question_characters, answer_characters: {minimum, median, p95, maximum}, languages, answers}`."""
        return {
            "question_characters": _quantiles(self._questions),
            "answer_characters": _quantiles(self._answers),
            "languages": dict(self._languages.most_common()),
            "answer_counts": {
                "most": max(self._turns, default=0),
                "several": sum(count for turns, count in self._turns.items() if turns > 1),
            },
        }

    def tell(self, findings: Findings) -> None:
        """Mixed languages, and answers of very unequal length."""
        count = len(self._answers)
        if count < _ENOUGH_EXAMPLES:
            return
        shares = {
            name: number
            for name, number in self._languages.most_common()
            if name and number >= _MIXED_SHARE * count
        }
        if len(shares) > 1:
            findings.note("mixed_languages", None, languages=shares)
        lengths = _quantiles(self._answers)
        if lengths["maximum"] > _LONG_FACTOR * max(lengths["median"], 1):
            findings.note(
                "unequal_answers", None, median=lengths["median"], maximum=lengths["maximum"]
            )


def _quantiles(values: array[int]) -> dict[str, int]:
    if not values:
        return dict.fromkeys(_QUANTILES, 0)
    ordered = array("I", sorted(values))
    return {
        name: int(ordered[round(share * (len(ordered) - 1))]) for name, share in _QUANTILES.items()
    }
