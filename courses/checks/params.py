"""The predicates that a course may use, and what each may be told. A course can ask for nothing else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.config import LoraHyperparameters, TrainingHyperparameters

WhichSet = Literal["eval", "own", "any"]
Count = Annotated[int, Field(ge=1)]
Nats = Annotated[float, Field(gt=0)]

SETTINGS: dict[str, Any] = {
    **{f"lora_config.{name}": item for name, item in LoraHyperparameters.parameters().items()},
    **{
        f"training_config.{name}": item
        for name, item in TrainingHyperparameters.parameters().items()
    },
}
"""Every setting of a job, with its prefix."""


class Params(BaseModel):
    """What a predicate is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Bounds(Params):
    """Which values a setting may have."""

    min: float | None = None
    max: float | None = None
    among: tuple[Any, ...] | None = Field(default=None, alias="in")

    @model_validator(mode="after")
    def _bounds_something(self) -> Bounds:
        if self.min is None and self.max is None and self.among is None:
            raise ValueError("give min, max or in")
        return self

    def allows(self, value: Any) -> bool:
        if self.among is not None and value not in self.among:
            return False
        if self.min is not None and value < self.min:
            return False
        return self.max is None or value <= self.max


class ReadOpened(Params):
    seconds: Count = 20


class QuizPassed(Params):
    right: Count


class DatasetValid(Params):
    min_examples: Count = 1
    max_examples: Count | None = None
    edited: bool = False
    min_own_examples: int = Field(default=0, ge=0)


class DatasetNoOverlap(Params):
    against: Literal["eval", "hidden"] = "eval"


class SettingsPredicted(Params):
    min_characters: Count = 10


class JobCompleted(Params):
    dataset: Literal["mine", "starter", "any"] = "any"
    since: Literal["step", "course"] = "course"
    min_steps: Count = 1
    held_out: bool = False
    settings: dict[str, Bounds] = Field(default_factory=dict)

    @field_validator("settings", mode="before")
    @classmethod
    def _values_are_bounds(cls, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        return {
            name: wanted if isinstance(wanted, dict) else {"in": [wanted]}
            for name, wanted in settings.items()
        }

    @field_validator("settings")
    @classmethod
    def _settings_exist(cls, settings: dict[str, Bounds]) -> dict[str, Bounds]:
        _check_settings(settings)
        return settings


class JobWatched(Params):
    pass


class JobLossDropped(Params):
    ratio: float = Field(default=0.8, gt=0, lt=1)


class JobEvalGain(Params):
    min_nats: Nats


class JobDiagnosed(Params):
    any_of: tuple[str, ...] = Field(min_length=1)


class JobStoppedEarly(Params):
    pass


class JobExplained(Params):
    min_characters: Count = 20


class JobsDifferOnlyIn(Params):
    settings: tuple[str, ...] = Field(min_length=1)
    min: int = Field(default=2, ge=2)

    @field_validator("settings")
    @classmethod
    def _settings_exist(cls, settings: tuple[str, ...]) -> tuple[str, ...]:
        _check_settings(settings)
        return settings


class JobsCompared(Params):
    min: int = Field(default=2, ge=2)


class SweepCompleted(Params):
    min_jobs: int = Field(ge=2)


class ChatPairs(Params):
    min: Count


class ChatVotes(Params):
    min: Count
    blind: bool = False


class ChatCorrected(Params):
    pass


class PromptsRun(Params):
    which: WhichSet = Field(default="any", alias="set")
    min_items: Count = 1


class PromptsGain(Params):
    which: WhichSet = Field(default="any", alias="set")
    min_nats: Nats


class HiddenGain(Params):
    min_nats: Nats


class ReflectionCites(Params):
    jobs: int = Field(default=1, ge=0)


HIDDEN_GAIN = "hidden.gain"
"""The one predicate that a level without hidden questions can not have."""

PREDICATES: dict[str, type[Params]] = {
    "read.opened": ReadOpened,
    "quiz.passed": QuizPassed,
    "dataset.valid": DatasetValid,
    "dataset.no_overlap": DatasetNoOverlap,
    "settings.predicted": SettingsPredicted,
    "job.completed": JobCompleted,
    "job.watched": JobWatched,
    "job.loss_dropped": JobLossDropped,
    "job.eval_gain": JobEvalGain,
    "job.diagnosed": JobDiagnosed,
    "job.stopped_early": JobStoppedEarly,
    "job.explained": JobExplained,
    "jobs.differ_only_in": JobsDifferOnlyIn,
    "jobs.compared": JobsCompared,
    "sweep.completed": SweepCompleted,
    "chat.pairs": ChatPairs,
    "chat.votes": ChatVotes,
    "chat.corrected": ChatCorrected,
    "prompts.run": PromptsRun,
    "prompts.gain": PromptsGain,
    HIDDEN_GAIN: HiddenGain,
    "reflection.cites": ReflectionCites,
}


def _check_settings(names: Any) -> None:
    unknown = sorted(set(names) - set(SETTINGS))
    if unknown:
        raise ValueError(f"there is no setting {', '.join(unknown)}")
