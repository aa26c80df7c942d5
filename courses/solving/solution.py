"""How a course can be passed: the examples and the settings of its reference solution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from courses.checks.params import SETTINGS

FILE = "solution.yml"


class Pair(BaseModel):
    """An example of the reference student's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: str = Field(min_length=1)
    output: str = Field(min_length=1)


class Examples(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    en: tuple[Pair, ...] = Field(min_length=1)
    ja: tuple[Pair, ...] = Field(min_length=1)


class StepSolution(BaseModel):
    """What is trained in a step.

    Attributes:
        jobs: settings of each job, by their prefixed names, laid over those of the course.
        sweep: values of each varied setting.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    jobs: tuple[dict[str, Any], ...] = ()
    sweep: dict[str, tuple[Any, ...]] = Field(default_factory=dict)


class Solution(BaseModel):
    """Of a course.

    Attributes:
        examples: added to the course's starter set.
        settings: of every job, laid over the presets of the form.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: Examples
    settings: dict[str, Any] = Field(default_factory=dict)
    steps: dict[str, StepSolution] = Field(default_factory=dict)

    def of(self, key: str) -> StepSolution:
        return self.steps.get(key, StepSolution())


def read_solution(course: Path) -> Solution:
    """
    Raises:
        FileNotFoundError: the course has none.
        ValueError: it names something that there is not; pydantic's error is one.
    """
    read = yaml.safe_load((course / FILE).read_text(encoding="utf-8"))
    solution = Solution.model_validate(read)
    named = [solution.settings, *(job for step in solution.steps.values() for job in step.jobs)]
    named += [step.sweep for step in solution.steps.values()]
    unknown = sorted({name for settings in named for name in settings} - SETTINGS.keys())
    if unknown:
        raise ValueError(f"{course / FILE}: there are no settings {', '.join(unknown)}")
    return solution
