"""The outcome of a run: what each model answered to each question, how near that comes, and who is better.

It is computed once, when the run is over, and kept in the run's row: later changes of jobs change nothing in it. The
answers' texts stay in the replies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal, TypedDict

from chat.models import Answerer, PromptRun, Reply
from chat.prompt_sets.metrics import is_exact, similarity, similarity_signature
from chat.prompt_sets.statistics import Estimate, difference_of, mean_of, share_of
from modelhub.models import BaseModel

VERSION = 1
Measure = Literal["exact", "similarity", "loss"]
MEASURES: tuple[Measure, ...] = ("exact", "similarity", "loss")
NOT_ASKED = "not_asked"
"""Instead of a status: the model was gone, or the run stopped, before the question was put to it."""


class ModelFacts(TypedDict):
    """A model of the run, as it was when the run began."""

    id: str
    name: str
    kind: str
    job_id: str | None
    base_model: str
    base_digest: str
    adapter_digest: str


class AnswerFacts(TypedDict):
    """What one model did with one question; None where it was not, or can not be, measured."""

    reply_id: str | None
    status: str
    error_code: str
    error_params: dict[str, Any]
    exact: bool | None
    similarity: float | None
    loss: float | None


class Opening(TypedDict):
    """What a run knows from its beginning.

    Attributes:
        messages: ids of the messages, one for each question that was put.
    """

    models: list[ModelFacts]
    sampling: dict[str, Any]
    messages: list[str]


class Results(Opening):
    """The whole table.

    Attributes:
        answers: for each question one entry a model, in their order.
        summary: for each model its means by measure; None where nothing was measured.
        differences: for each model against which other one (`baseline`, an index or None), and by measure.
    """

    version: int
    similarity_measure: str
    answers: list[list[AnswerFacts]]
    summary: list[dict[str, Any]]
    differences: list[dict[str, Any]]


def model_facts(answerer: Answerer) -> ModelFacts:
    adapter = getattr(answerer.job, "adapter", None) if answerer.job_id else None
    return ModelFacts(
        id=str(answerer.pk),
        name=answerer.label,
        kind=answerer.kind,
        job_id=str(answerer.job_id) if answerer.job_id else None,
        base_model=answerer.base_model.name,
        base_digest=answerer.base_model.digest,
        adapter_digest=adapter.digest if adapter else "",
    )


def can_score(answerer: Answerer) -> bool:
    """Whether the loss of a given answer can be measured: only on models that an engine of ours holds."""
    return answerer.base_model.source not in BaseModel.REMOTE


def has_results(run: PromptRun) -> bool:
    return "summary" in run.results


def results_of(run: PromptRun) -> Results:
    """As they were kept; of a run that is not judged yet those by now."""
    results: Results = run.results if has_results(run) else compute(run)
    return results


def compute(run: PromptRun) -> Results:
    """The table of what is answered by now."""
    opening: Opening = run.results
    replies = _replies(run)
    answers = [
        [
            _answer(replies[message_id, model["id"]], item["reference"])
            for model in opening["models"]
        ]
        for item, message_id in zip(run.items, _padded(run), strict=True)
    ]
    columns = [_columns(answers, place) for place in range(len(opening["models"]))]
    has_references = any(item["reference"] for item in run.items)
    return Results(
        version=VERSION,
        models=opening["models"],
        sampling=opening["sampling"],
        messages=opening["messages"],
        similarity_measure=similarity_signature() if has_references else "",
        answers=answers,
        summary=[_summary(answers, column, place) for place, column in enumerate(columns)],
        differences=[
            _differences(columns, place, baseline_of(opening["models"], place))
            for place in range(len(columns))
        ],
    )


def baseline_of(models: list[ModelFacts], place: int) -> int | None:
    """Which model one is held against: its own base model, else a base model, else the first; None for that itself."""
    bases = [index for index, model in enumerate(models) if model["kind"] == Answerer.Kind.BASE]
    own = models[place]["base_model"]
    related = [index for index in bases if models[index]["base_model"] == own]
    # A base model is no measure of itself while there is another one.
    is_base = place in bases
    baseline = ((related if not is_base else []) or bases or [0])[0]
    return None if baseline == place else baseline


def _padded(run: PromptRun) -> list[str]:
    """A message for each question; empty where it was not put."""
    put: list[str] = run.results["messages"]
    return put + [""] * (len(run.items) - len(put))


def _replies(run: PromptRun) -> dict[tuple[str, str], list[Reply]]:
    """By message and model, the latest take last."""
    rows = Reply.objects.filter(message__session=run.session_id).order_by("take")
    found: dict[tuple[str, str], list[Reply]] = defaultdict(list)
    for reply in rows.defer("logprobs"):
        found[str(reply.message_id), str(reply.answerer_id)].append(reply)
    return found


def _answer(replies: list[Reply], reference: str) -> AnswerFacts:
    drawn = [reply for reply in replies if not reply.scored_text]
    scored = [reply.loss for reply in replies if reply.scored_text and reply.loss is not None]
    reply = drawn[-1] if drawn else None
    is_measured = bool(reference) and reply is not None and reply.status == Reply.Status.COMPLETED
    text = reply.text if reply else ""
    return AnswerFacts(
        reply_id=str(reply.pk) if reply else None,
        status=reply.status if reply else NOT_ASKED,
        error_code=reply.error_code if reply else "",
        error_params=reply.error_params if reply else {},
        exact=is_exact(text, reference) if is_measured else None,
        similarity=round(similarity(text, reference), 2) if is_measured else None,
        loss=scored[-1] if scored else None,
    )


Columns = dict[Measure, list[float | None]]


def _columns(answers: list[list[AnswerFacts]], place: int) -> Columns:
    """One model's numbers by measure, question by question."""
    column = [row[place] for row in answers]
    return {measure: [answer[measure] for answer in column] for measure in MEASURES}


def _summary(answers: list[list[AnswerFacts]], columns: Columns, place: int) -> dict[str, Any]:
    answered = sum(row[place]["status"] == Reply.Status.COMPLETED for row in answers)
    return {"answered": answered} | {
        measure: _as_dict(_ESTIMATES[measure](_present(columns[measure]))) for measure in MEASURES
    }


def _differences(columns: list[Columns], place: int, baseline: int | None) -> dict[str, Any]:
    if baseline is None:
        return {"baseline": None} | dict.fromkeys(MEASURES)
    return {"baseline": baseline} | {
        measure: _as_dict(
            difference_of(_gains(measure, columns[place][measure], columns[baseline][measure]))
        )
        for measure in MEASURES
    }


def _gains(measure: Measure, own: list[float | None], other: list[float | None]) -> list[float]:
    """By how much the model is better, for each question that both were measured on."""
    sign = -1.0 if measure == "loss" else 1.0
    return [
        sign * (float(one) - float(two))
        for one, two in zip(own, other, strict=True)
        if one is not None and two is not None
    ]


def _present(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _share(values: list[float]) -> Estimate | None:
    return share_of([bool(value) for value in values])


_ESTIMATES: dict[Measure, Callable[[list[float]], Estimate | None]] = {
    "exact": _share,
    "similarity": mean_of,
    "loss": mean_of,
}


def _as_dict(value: Any) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
