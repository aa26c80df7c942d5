"""The same questions answered by several jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from training.models import TrainingEvent, TrainingJob
from training.progress.samples import Sample

Answers = dict[tuple[UUID, int], Sample]


@dataclass(frozen=True, slots=True)
class SharedPrompt:
    """A question with the newest answer of each job, in the order of the jobs.

    asked tells which jobs were asked it at all; one that was asked may not have answered yet.
    """

    prompt: str
    asked: tuple[bool, ...]
    answers: tuple[Sample | None, ...]


def shared_prompts(jobs: Sequence[TrainingJob]) -> list[SharedPrompt]:
    """The questions that at least two of the jobs were asked, in the order in which they first stand."""
    places = [
        {prompt: index for index, prompt in reversed(list(enumerate(job.sample_prompts)))}
        for job in jobs
    ]
    prompts = dict.fromkeys(prompt for job in jobs for prompt in job.sample_prompts)
    shared = [prompt for prompt in prompts if sum(prompt in place for place in places) > 1]
    if not shared:
        return []
    newest = _newest_answers(jobs)
    return [
        SharedPrompt(
            prompt,
            tuple(prompt in place for place in places),
            tuple(
                newest.get((job.pk, place[prompt])) if prompt in place else None
                for job, place in zip(jobs, places, strict=True)
            ),
        )
        for prompt in shared
    ]


def _newest_answers(jobs: Sequence[TrainingJob]) -> Answers:
    """By job and the question's place; a resumed job may tell an older answer again."""
    newest: Answers = {}
    events = TrainingEvent.objects.filter(job__in=jobs, type="sample").order_by("seq")
    for job_id, payload in events.values_list("job_id", "payload"):
        key = (job_id, payload["index"])
        if key not in newest or payload["step"] >= newest[key].step:
            newest[key] = Sample(payload["step"], payload["text"])
    return newest
