"""The completed jobs of a class as if they were one sweep: a setting against what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Cohort
from common.sentences import joined
from courses.selectors.runs import OwnerNames, jobs_of_cohort
from training.charts import Marker, Tick
from training.comparing.plots import MARKER_SHAPES, style_of
from training.comparing.results import (
    JobResult,
    measured_on_same_examples,
    results_of,
    trained_on_same_examples,
)
from training.models import TrainingJob
from training.plotting.scatter import build_scatter
from training.sweeping.axes import swept_parameters, value_text

Measure = Literal["gain", "held-out", "loss"]

MOST_DOTS = 400
"""Of more completed jobs the newest are drawn."""
MOST_GROUPS = len(MARKER_SHAPES)
NOTHING = ""
BASE_MODEL = "model"
USUAL_GROUPS = "rate"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that can stand below the picture, or be told by colour and shape.

    Attributes:
        name: of the hyperparameter with its prefix.
        is_log: whether its values are usually chosen by factors.
    """

    key: str
    name: str
    is_log: bool

    @property
    def label(self) -> str:
        return _(swept_parameters()[self.name].label)

    def value_of(self, job: TrainingJob) -> Any:
        prefix, _dot, name = self.name.partition(".")
        return getattr(job, prefix).get(name)


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting("rank", "lora_config.r", is_log=True),
        Setting("alpha", "lora_config.alpha", is_log=True),
        Setting("rate", "training_config.learning_rate", is_log=True),
        Setting("epochs", "training_config.num_epochs", is_log=False),
        Setting("batch", "training_config.batch_size", is_log=True),
    )
}


@dataclass(frozen=True, slots=True)
class SweepView:
    """What the address asks for: the setting below, the measure, and what colour and shape tell."""

    x: str = "rank"
    y: Measure = "gain"
    by: str = USUAL_GROUPS

    @classmethod
    def from_address(cls, values: Mapping[str, str]) -> Self:
        """What means nothing is as usual."""
        x, y, by = values.get("x", ""), values.get("y", ""), values.get("by", USUAL_GROUPS)
        x = x if x in SETTINGS else "rank"
        return cls(
            x=x,
            y=y if y in get_args(Measure) else "gain",  # type: ignore[arg-type]
            by=by if by in (*SETTINGS, BASE_MODEL) and by != x else NOTHING,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs that look alike in the picture."""

    label: str
    style: str
    shape: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One job; student is empty where nobody is named."""

    job: TrainingJob
    student: str
    place: Marker
    group: Group
    x_words: str
    by_words: str
    value: float


@dataclass(frozen=True, slots=True)
class ClassSweep:
    """The picture and its table; without dots, why there are none.

    Attributes:
        finished_count: completed jobs that were looked at.
    """

    title: str
    description: str
    setting_label: str
    x_label: str
    y_label: str
    by_label: str
    dots: tuple[Dot, ...]
    groups: tuple[Group, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: str
    notes: tuple[str, ...]
    finished_count: int
    is_active: bool


def measure_labels() -> dict[Measure, str]:
    return {
        "gain": _("Gain over the base model"),
        "held-out": _("Held-out loss"),
        "loss": _("Training loss, last tenth"),
    }


def class_sweep(cohort: Cohort, view: SweepView, names: OwnerNames | None) -> ClassSweep:
    """In six queries, however many jobs there are.

    Args:
        names: None where nobody is named.
    """
    jobs = list(
        jobs_of_cohort(cohort)
        .filter(status=TrainingJob.Status.COMPLETED)
        .order_by("-completed_at", "pk")[: MOST_DOTS + 1]
    )
    setting = SETTINGS[view.x]
    measured = [
        (result, value)
        for result in results_of(jobs[:MOST_DOTS])
        if (value := _value(result, view.y)) is not None and setting.value_of(result.job)
    ]
    labels = measure_labels()
    groups = _groups([_by_words(result.job, view.by) for result, _v in measured])
    dots, x_ticks, y_ticks, zero = _placed(measured, setting, view, groups, names)
    return ClassSweep(
        title=_("%(measure)s by %(setting)s")
        % {"measure": labels[view.y], "setting": setting.label},
        description=_description(dots, setting),
        setting_label=setting.label,
        x_label=_("%(setting)s, logarithmic") % {"setting": setting.label}
        if setting.is_log
        else setting.label,
        y_label=labels[view.y],
        by_label=_by_label(view.by),
        dots=tuple(dots),
        groups=tuple(dict.fromkeys(groups.values())),
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        zero=zero,
        notes=tuple(_notes([result.job for result, _v in measured], view, len(jobs))),
        finished_count=min(len(jobs), MOST_DOTS),
        is_active=TrainingJob.objects.filter(cohort=cohort).active().exists(),
    )


def _value(result: JobResult, measure: Measure) -> float | None:
    match measure:
        case "gain":
            return result.gain
        case "held-out":
            return result.kept
    return result.training_loss


def _placed(
    measured: Sequence[tuple[JobResult, float]],
    setting: Setting,
    view: SweepView,
    groups: Mapping[str, Group],
    names: OwnerNames | None,
) -> tuple[list[Dot], tuple[Tick, ...], tuple[Tick, ...], str]:
    if not measured:
        return [], (), (), ""
    scatter = build_scatter(
        [(float(setting.value_of(result.job)), value) for result, value in measured],
        is_log=setting.is_log,
        x_words=value_text,
    )
    dots = []
    for (result, value), place in zip(measured, scatter.dots, strict=True):
        by_words = _by_words(result.job, view.by)
        dots.append(
            Dot(
                result.job,
                names.of_job(result.job) if names else "",
                place,
                groups[by_words],
                value_text(setting.value_of(result.job)),
                by_words,
                value,
            )
        )
    return dots, scatter.x_ticks, scatter.y_ticks, scatter.zero


def _by_words(job: TrainingJob, by: str) -> str:
    if by == BASE_MODEL:
        return job.base_model.name
    return value_text(SETTINGS[by].value_of(job)) if by in SETTINGS else ""


def _by_label(by: str) -> str:
    if by == BASE_MODEL:
        return _("Base model")
    return SETTINGS[by].label if by in SETTINGS else ""


def _groups(values: Sequence[str]) -> dict[str, Group]:
    """The look of each value: the most frequent ones have their own, the rest share the last one."""
    counts = Counter(values)
    frequent = [value for value, _count in counts.most_common()]
    if len(frequent) > MOST_GROUPS:
        frequent = frequent[: MOST_GROUPS - 1]
    looks = {
        value: Group(value, style_of(number), MARKER_SHAPES[number])
        for number, value in enumerate(sorted(frequent, key=_by_size))
    }
    last = MOST_GROUPS - 1
    rest = Group(_("other values"), style_of(last), MARKER_SHAPES[last])
    return looks | {value: rest for value in counts if value not in looks}


def _by_size(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def _description(dots: Sequence[Dot], setting: Setting) -> str:
    """The picture in words: for each value how many there are, the lowest, and the highest."""
    by_value: dict[str, list[float]] = {}
    for dot in sorted(dots, key=lambda dot: float(setting.value_of(dot.job))):
        by_value.setdefault(dot.x_words, []).append(dot.value)
    return joined(
        ngettext(
            "%(setting)s %(words)s: %(count)d job, %(low).3f to %(high).3f.",
            "%(setting)s %(words)s: %(count)d jobs, %(low).3f to %(high).3f.",
            len(values),
        )
        % {
            "setting": setting.label,
            "words": words,
            "count": len(values),
            "low": min(values),
            "high": max(values),
        }
        for words, values in by_value.items()
    )


def _notes(jobs: Sequence[TrainingJob], view: SweepView, found: int) -> list[str]:
    notes = []
    if view.y == "loss" and not trained_on_same_examples(jobs):
        notes.append(
            _(
                "These jobs learned from different datasets, lengths or base models: "
                "read the picture as a whole, not one dot against another."
            )
        )
    elif view.y != "loss" and not measured_on_same_examples(jobs):
        notes.append(
            _(
                "These jobs were measured on different held-out examples, lengths or base models: "
                "read the picture as a whole, not one dot against another."
            )
        )
    missing = min(found, MOST_DOTS) - len(jobs)
    if missing and jobs:
        notes.append(
            ngettext(
                "%(count)d completed job has no such measurement and no dot.",
                "%(count)d completed jobs have no such measurement and no dot.",
                missing,
            )
            % {"count": missing}
        )
    if found > MOST_DOTS:
        notes.append(
            _("Only the newest %(count)d completed jobs are drawn.") % {"count": MOST_DOTS}
        )
    return notes
