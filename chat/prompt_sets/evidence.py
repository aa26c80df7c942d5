"""What a person's finished runs prove, as typed facts: for course steps, which pass by evidence and not by a click."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from accounts.models import User
from chat.models import Answerer, PromptRun
from chat.prompt_sets.results import MEASURES, Measure, Results
from chat.prompt_sets.statistics import Difference, Estimate


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """How one model did.

    Attributes:
        job_id: of a tuned model, also when the job was deleted since.
        adapter_digest, base_digest: which weights answered.
        answered: to how many questions it gave an answer.
        estimates, differences: by measure (exact, similarity, loss), where it was measured. Differences are against
            the model of `baseline`, and positive where this one is better.
        baseline: place of that model among the run's.
    """

    job_id: UUID | None
    adapter_digest: str
    base_model: str
    base_digest: str
    answered: int
    estimates: dict[Measure, Estimate]
    differences: dict[Measure, Difference]
    baseline: int | None

    @property
    def is_base(self) -> bool:
        return self.job_id is None


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """A run that came to its end.

    Attributes:
        source_kind: own, course or dataset; of course with its source_id, the questions are exactly the course's.
        digest: of the questions and hoped-for answers.
        is_greedy: whether each model gave its likeliest answers.
    """

    run_id: UUID
    source_kind: str
    source_id: str
    digest: str
    item_count: int
    is_greedy: bool
    completed_at: datetime
    models: tuple[ModelEvidence, ...]

    def has(self, job_id: UUID) -> bool:
        return any(model.job_id == job_id for model in self.models)

    @property
    def has_base(self) -> bool:
        return any(model.is_base for model in self.models)


def finished_runs(user: User) -> list[RunEvidence]:
    """The person's runs that were not stopped, the newest first."""
    runs = PromptRun.objects.filter(
        session__owner=user, state=PromptRun.State.COMPLETED, completed_at__isnull=False
    )
    return [evidence_of(run) for run in runs.order_by("-completed_at", "pk")]


def evidence_of(run: PromptRun) -> RunEvidence:
    results: Results = run.results
    return RunEvidence(
        run_id=run.pk,
        source_kind=run.source["kind"],
        source_id=run.source["id"],
        digest=run.digest,
        item_count=len(run.items),
        is_greedy=results["sampling"]["temperature"] == 0,
        completed_at=cast(datetime, run.completed_at),
        models=tuple(_model(results, place) for place in range(len(results["models"]))),
    )


def _model(results: Results, place: int) -> ModelEvidence:
    facts, summary = results["models"][place], results["summary"][place]
    differences = results["differences"][place]
    return ModelEvidence(
        job_id=UUID(facts["job_id"]) if facts["kind"] == Answerer.Kind.TUNED else None,
        adapter_digest=facts["adapter_digest"],
        base_model=facts["base_model"],
        base_digest=facts["base_digest"],
        answered=summary["answered"],
        estimates=read_estimates(summary),
        differences=read_differences(differences),
        baseline=differences["baseline"],
    )


def read_estimates(summary: dict[str, Any]) -> dict[Measure, Estimate]:
    """As results keep them; without those that were not measured."""
    return {measure: Estimate(**stored) for measure in MEASURES if (stored := summary[measure])}


def read_differences(differences: dict[str, Any]) -> dict[Measure, Difference]:
    """As results keep them; without those that were not measured."""
    return {
        measure: Difference(**stored | {"estimate": Estimate(**stored["estimate"])})
        for measure in MEASURES
        if (stored := differences[measure])
    }
