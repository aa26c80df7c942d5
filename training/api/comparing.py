"""The API call that puts jobs side by side."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Schema

from common.api import ERROR_RESPONSES, current_user
from common.errors import Fault, InvalidInputError
from training.api.router import router
from training.comparing.page import Comparison, comparison_of
from training.comparing.selection import MAX_JOBS, MIN_JOBS, count_sentence, jobs_to_compare


class ComparedJobSchema(Schema):
    id: UUID
    name: str
    status: str
    diagnosis: dict[str, Any]


class DifferenceSchema(Schema):
    name: str = Field(description="A hyperparameter, base_model, dataset or eval_dataset")
    label: str
    values: list[Any] = Field(description="One for each job, in their order")


class MeasureSchema(Schema):
    name: str
    label: str
    values: list[Any] = Field(description="One for each job, in their order; null when unknown")
    best: list[UUID] = Field(
        description="The completed jobs with the best value; empty where it can not be told"
    )


class AnswerSchema(Schema):
    job_id: UUID
    step: int
    text: str


class SharedPromptSchema(Schema):
    prompt: str
    answers: list[AnswerSchema] = Field(description="The newest answer of each job that gave one")


class ComparisonSchema(Schema):
    jobs: list[ComparedJobSchema]
    differences: list[DifferenceSchema]
    results: list[MeasureSchema]
    cautions: list[str] = Field(description="Why some numbers can not be compared")
    prompts: list[SharedPromptSchema]


@router.get(
    "/compare",
    response={200: ComparisonSchema} | ERROR_RESPONSES,
    summary="Jobs side by side",
    description=f"{MIN_JOBS} to {MAX_JOBS} of your jobs: settings that differ, results, answers to the same questions.",
)
def compare_jobs(request: HttpRequest, job: Annotated[list[UUID], Query(...)]) -> Any:
    jobs = jobs_to_compare(current_user(request), job)
    if sentence := count_sentence(len(jobs)):
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="job")])
    return _answer(comparison_of(jobs))


def _answer(comparison: Comparison) -> dict[str, Any]:
    jobs = [entry.job for entry in comparison.jobs]
    return {
        "jobs": jobs,
        "differences": list(comparison.differences),
        "results": [
            {
                "name": row.name,
                "label": row.label,
                "values": [cell.value for cell in row.cells],
                "best": [job.pk for job, cell in zip(jobs, row.cells, strict=True) if cell.word],
            }
            for row in comparison.measures
        ],
        "cautions": list(comparison.cautions),
        "prompts": [
            {
                "prompt": entry.prompt,
                "answers": [
                    {"job_id": job.pk, "step": answer.step, "text": answer.text}
                    for job, answer in zip(jobs, entry.answers, strict=True)
                    if answer is not None
                ],
            }
            for entry in comparison.prompts
        ],
    }
