"""The results of a run as rows that a reader can narrow down and sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chat.models import PromptRun, Reply
from chat.prompt_sets.metrics import normalized
from chat.prompt_sets.results import NOT_ASKED, AnswerFacts, ModelFacts, Results
from chat.prompt_sets.wording import failure_sentence


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model answered.

    Attributes:
        status: of the reply; not_asked where there is none.
        failure: the sentence for a reply that failed.
        is_cut: whether the answer ended at the maximum number of tokens.
    """

    model: ModelFacts
    text: str
    status: str
    failure: str
    is_cut: bool
    exact: bool | None
    similarity: float | None
    loss: float | None

    @property
    def is_answered(self) -> bool:
        return self.status == Reply.Status.COMPLETED

    @property
    def was_asked(self) -> bool:
        return self.status != NOT_ASKED

    @property
    def is_tuned(self) -> bool:
        return self.model["kind"] == "tuned"


@dataclass(frozen=True, slots=True)
class Row:
    """One question with every model's answer."""

    number: int
    prompt: str
    reference: str
    cells: tuple[Cell, ...]

    @property
    def models_disagree(self) -> bool:
        """Whether two answers differ in more than case, width, white space and the marks at their end."""
        return len({normalized(cell.text) for cell in self.cells if cell.is_answered}) > 1

    @property
    def is_only_one_right(self) -> bool:
        return len(self.cells) > 1 and sum(bool(cell.exact) for cell in self.cells) == 1

    @property
    def is_nobody_right(self) -> bool:
        marks = [cell.exact for cell in self.cells if cell.exact is not None]
        return bool(marks) and not any(marks)

    @property
    def has_failures(self) -> bool:
        return not all(cell.is_answered for cell in self.cells)

    @property
    def gap(self) -> float:
        """How far the models lie apart in similarity."""
        scores = [cell.similarity for cell in self.cells if cell.similarity is not None]
        return max(scores) - min(scores) if scores else 0.0

    @property
    def best_similarity(self) -> float:
        scores = [cell.similarity for cell in self.cells if cell.similarity is not None]
        return max(scores, default=101.0)


FILTERS: dict[str, Callable[[Row], bool]] = {
    "all": lambda _row: True,
    "disagree": lambda row: row.models_disagree,
    "one_right": lambda row: row.is_only_one_right,
    "none_right": lambda row: row.is_nobody_right,
    "failed": lambda row: row.has_failures,
}
ORDERS: dict[str, Callable[[Row], float]] = {
    "number": lambda row: row.number,
    "gap": lambda row: -row.gap,
    "hardest": lambda row: row.best_similarity,
}


def rows_of(run: PromptRun, results: Results, texts: dict[str, tuple[str, str]]) -> list[Row]:
    """Every question in its order.

    Args:
        texts: text and finish reason of each answer, by the reply's id.
    """
    return [
        Row(
            number,
            item["prompt"],
            item["reference"],
            tuple(
                _cell(model, facts, texts)
                for model, facts in zip(results["models"], answers, strict=True)
            ),
        )
        for number, (item, answers) in enumerate(
            zip(run.items, results["answers"], strict=True), start=1
        )
    ]


def narrowed(rows: Iterable[Row], show: str, order: str) -> list[Row]:
    """The rows that a filter lets through, in an order; by names of FILTERS and ORDERS."""
    return sorted(filter(FILTERS[show], rows), key=lambda row: (ORDERS[order](row), row.number))


def _cell(model: ModelFacts, facts: AnswerFacts, texts: dict[str, tuple[str, str]]) -> Cell:
    text, reason = texts.get(facts["reply_id"] or "", ("", ""))
    is_failed = facts["status"] == Reply.Status.FAILED
    return Cell(
        model=model,
        text=text,
        status=facts["status"],
        failure=failure_sentence(facts["error_code"], facts["error_params"]) if is_failed else "",
        is_cut=reason == "length",
        exact=facts["exact"],
        similarity=facts["similarity"],
        loss=facts["loss"],
    )
