"""What the page of a comparison shows, and its API call tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from django.utils.translation import gettext as _

from training.comparing.answers import SharedPrompt, shared_prompts
from training.comparing.curves import comparison_plots
from training.comparing.differences import Difference, differences_of
from training.comparing.measurements import measurements_of
from training.comparing.measures import Measure, caution_sentences, measures_of
from training.comparing.plots import MARKER_SHAPES, Plot, style_of
from training.comparing.results import results_of
from training.models import TrainingJob


@dataclass(frozen=True, slots=True)
class ComparedJob:
    """A job with the letter and the marker by which one finds it in curves and tables.

    Attributes:
        owner_name: where the jobs are of several people; else empty.
    """

    job: TrainingJob
    letter: str
    style: str
    shape: str
    owner_name: str = ""

    @property
    def label(self) -> str:
        words = {"letter": self.letter, "name": self.job.name, "owner": self.owner_name}
        if self.owner_name:
            return _("%(letter)s: %(name)s (%(owner)s)") % words
        return _("%(letter)s: %(name)s") % words

    @property
    def can_chat(self) -> bool:
        return (
            self.job.status == TrainingJob.Status.COMPLETED
            and getattr(self.job, "adapter", None) is not None
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    jobs: tuple[ComparedJob, ...]
    differences: tuple[Difference, ...]
    measures: tuple[Measure, ...]
    cautions: tuple[str, ...]
    prompts: tuple[SharedPrompt, ...]

    @property
    def is_active(self) -> bool:
        return any(entry.job.is_active for entry in self.jobs)

    @property
    def prompt_columns(self) -> list[tuple[str, list[tuple[ComparedJob, bool, Any]]]]:
        """Each prompt with every job: whether it was asked, and what it answered."""
        return [
            (item.prompt, list(zip(self.jobs, item.asked, item.answers, strict=True)))
            for item in self.prompts
        ]


def comparison_of(
    jobs: Sequence[TrainingJob], owner_names: Mapping[int, str] | None = None
) -> Comparison:
    """
    Args:
        owner_names: by the owner's id, where the jobs are of several people.
    """
    names = owner_names or {}
    return Comparison(
        jobs=tuple(
            ComparedJob(
                job,
                ascii_uppercase[number],
                style_of(number),
                MARKER_SHAPES[number],
                names.get(job.owner_id, ""),
            )
            for number, job in enumerate(jobs)
        ),
        differences=tuple(differences_of(jobs)),
        measures=tuple(measures_of(results_of(jobs))),
        cautions=tuple(caution_sentences(jobs)),
        prompts=tuple(shared_prompts(jobs)),
    )


def plots_of(comparison: Comparison, x: str) -> list[Plot]:
    jobs = [entry.job for entry in comparison.jobs]
    labels = [entry.label for entry in comparison.jobs]
    return comparison_plots(jobs, labels, measurements_of(jobs), x)
