"""The results of several jobs, measure by measure, with the best of each said in a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from training.comparing.results import (
    JobResult,
    best_of,
    measured_on_same_examples,
    trained_on_same_examples,
)
from training.models import TrainingJob

Status = TrainingJob.Status


@dataclass(frozen=True, slots=True)
class Cell:
    """One job's value; word says that it is the best one."""

    value: Any
    word: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row: name for programs, label for people, kind says how the values are written."""

    name: str
    label: str
    kind: str
    cells: tuple[Cell, ...]

    @property
    def is_known(self) -> bool:
        return any(cell.value not in (None, "") for cell in self.cells)


def measures_of(results: Sequence[JobResult]) -> list[Measure]:
    """The rows in which at least one job has a value."""
    return [row for row in _all_measures(results) if row.is_known]


def _all_measures(results: Sequence[JobResult]) -> Iterator[Measure]:
    yield _row(results, "verdict", _("Diagnosis"), "text", lambda r: r.verdict)
    yield from _losses(results)
    yield from _costs(results)


def _losses(results: Sequence[JobResult]) -> Iterator[Measure]:
    jobs = [result.job for result in results]
    is_same_held_out = measured_on_same_examples(jobs)
    lowest = pgettext("loss", "lowest")
    best = lowest if is_same_held_out else ""
    yield _row(
        results, "eval_loss_start", _("Held-out loss before training"), "loss", lambda r: r.start
    )
    yield _row(
        results, "eval_loss_best", _("Held-out loss, lowest"), "loss", lambda r: r.best, best
    )
    yield _row(
        results, "eval_loss_final", _("Held-out loss at the end"), "loss", lambda r: r.final, best
    )
    yield _row(
        results,
        "eval_gain",
        _("Gain over the base model"),
        "gain",
        lambda r: r.gain,
        pgettext("gain", "largest") if is_same_held_out else "",
        is_highest=True,
    )
    yield _row(
        results,
        "training_loss",
        _("Training loss, last tenth"),
        "loss",
        lambda r: r.training_loss,
        lowest if trained_on_same_examples(jobs) else "",
    )


def _costs(results: Sequence[JobResult]) -> Iterator[Measure]:
    yield _row(
        results,
        "adapter_size_bytes",
        _("Size of the adapter"),
        "bytes",
        lambda r: r.size_bytes,
        pgettext("size", "smallest"),
    )
    yield _row(
        results,
        "trainable_parameters",
        _("Trainable parameters"),
        "parameters",
        lambda r: r.job.trainable_parameter_count or None,
        pgettext("parameters", "fewest"),
    )
    yield _row(results, "steps", _("Steps"), "whole", lambda r: r.job.current_step or None)
    yield _row(
        results,
        "device_seconds",
        _("Time on the device"),
        "seconds",
        lambda r: r.job.device_seconds or None,
        pgettext("time", "shortest"),
    )
    yield _row(
        results, "waited_seconds", _("Time in the queue"), "seconds", lambda r: r.waited_seconds
    )
    yield _row(
        results,
        "tokens_per_second",
        _("Tokens per second"),
        "whole",
        lambda r: r.job.tokens_per_second,
        pgettext("speed", "fastest"),
        is_highest=True,
    )
    yield _row(results, "device_name", _("Device"), "text", lambda r: r.job.device_name)


def _row(
    results: Sequence[JobResult],
    name: str,
    label: str,
    kind: str,
    value_of: Callable[[JobResult], Any],
    word: str = "",
    *,
    is_highest: bool = False,
) -> Measure:
    """A row whose best value among the completed jobs carries the word: others may still change, or stopped midway."""
    completed = [result for result in results if result.job.status == Status.COMPLETED]
    best = best_of(completed, value_of, is_highest=is_highest) if word else []
    cells = tuple(Cell(value_of(result), word if result in best else "") for result in results)
    return Measure(name, label, kind, cells)


def caution_sentences(jobs: Sequence[TrainingJob]) -> list[str]:
    """Why some numbers of these jobs can not be compared."""
    sentences = []
    if not measured_on_same_examples(jobs):
        sentences.append(
            _(
                "Held-out losses say the same thing only for the same held-out examples, maximum length and base "
                "model. These jobs differ there, so no held-out loss is called the lowest."
            )
        )
    if not trained_on_same_examples(jobs):
        sentences.append(
            _(
                "Training losses say the same thing only for the same dataset, maximum length and base model. "
                "These jobs differ there, so no training loss is called the lowest."
            )
        )
    return sentences
