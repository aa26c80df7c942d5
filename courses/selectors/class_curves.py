"""The curves of a class over each other: a few that are told apart, and where all others lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Cohort
from courses.selectors.runs import OwnerNames, RunFilters, jobs_of_cohort
from training.comparing.curves import comparison_plots
from training.comparing.measurements import measurements_of
from training.comparing.plots import Plot
from training.comparing.selection import MAX_JOBS
from training.models import TrainingJob

MOST_CURVES = 60
"""Of more jobs the newest are drawn: more lines are a stain."""


@dataclass(frozen=True, slots=True)
class CurveChoice:
    """A job whose curve can be highlighted."""

    job: TrainingJob
    student: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ClassCurves:
    """
    Attributes:
        found_count: jobs that have begun and match the filters, also those that are too many to be drawn.
    """

    plots: list[Plot]
    choices: list[CurveChoice]
    found_count: int
    is_active: bool

    @property
    def is_cut(self) -> bool:
        return self.found_count > len(self.choices)

    @property
    def chosen_count(self) -> int:
        return sum(choice.is_chosen for choice in self.choices)


def class_curves(
    cohort: Cohort, filters: RunFilters, chosen: Sequence[str], x: str, names: OwnerNames
) -> ClassCurves:
    """
    Args:
        chosen: ids of jobs to tell apart; what is not drawn is passed over, and so are more than can be told apart.
        x: of training.comparing.curves.X_AXES.
    """
    begun = filters.apply(
        jobs_of_cohort(cohort).filter(current_step__gt=0), is_projected=names.is_projected
    )
    newest = list(begun.order_by("-created_at", "pk")[:MOST_CURVES])
    newest = [names.shown(job) for job in newest]
    ids = set(_read_ids(chosen))
    bold = [job for job in newest if job.pk in ids][:MAX_JOBS]
    bold_ids = {job.pk for job in bold}
    labels = [
        _("%(job)s (%(student)s)") % {"job": job.name, "student": names.of_job(job)} for job in bold
    ]
    plots = []
    if newest:
        behind = [job for job in newest if job.pk not in bold_ids]
        plots = comparison_plots(bold, labels, measurements_of(newest), x, behind=behind)
    return ClassCurves(
        plots=plots,
        choices=[CurveChoice(job, names.of_job(job), job.pk in bold_ids) for job in newest],
        found_count=begun.count(),
        is_active=any(job.is_active for job in newest),
    )


def _read_ids(texts: Sequence[str]) -> list[UUID]:
    ids = []
    for text in texts:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return ids
