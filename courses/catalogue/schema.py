"""What a course consists of, as its files say it and as a version keeps it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from courses.checks.params import PREDICATES, Params

LANGUAGES = ("en", "ja")
SOURCE_LANGUAGE = "en"
"""Written first; the other languages are translations of it."""

Key = Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=60)
Kind = Literal[
    "read", "quiz", "dataset", "settings", "train", "watch", "chat", "compare", "reflect"
]
Destination = Literal[
    "datasets.starter",
    "datasets.new",
    "datasets.newest",
    "training.new",
    "training.newest",
    "training.compare",
    "sweeps.new",
    "chat.new",
    "prompts.new",
]


class Content(BaseModel):
    """A part of a course; unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Bilingual(Content):
    """One text in both languages."""

    en: str = Field(min_length=1)
    ja: str = Field(min_length=1)

    def text(self, language: str) -> str:
        """In a language, or in English where it is none of ours."""
        return self.ja if language.partition("-")[0] == "ja" else self.en


class BilingualList(Content):
    en: tuple[str, ...] = Field(min_length=1)
    ja: tuple[str, ...] = Field(min_length=1)

    def texts(self, language: str) -> tuple[str, ...]:
        return self.ja if language.partition("-")[0] == "ja" else self.en


class Hint(Bilingual):
    """Shown once the check failed so many times."""

    after: int = Field(ge=1)


class Check(Content):
    """One thing that a step asks for."""

    key: str = Key
    predicate: str = Field(alias="is")
    needs: tuple[str, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict, alias="with")
    hints: tuple[Hint, ...] = ()

    @field_validator("predicate")
    @classmethod
    def _predicate_exists(cls, predicate: str) -> str:
        if predicate not in PREDICATES:
            raise ValueError(
                f"there is no predicate {predicate}; there are {', '.join(PREDICATES)}"
            )
        return predicate

    @field_validator("params")
    @classmethod
    def _params_fit(cls, params: dict[str, Any], info: Any) -> dict[str, Any]:
        predicate = info.data.get("predicate")
        if predicate in PREDICATES:
            PREDICATES[predicate].model_validate(params)
        return params

    @property
    def wanted(self) -> Params:
        """The parameters, typed."""
        return PREDICATES[self.predicate].model_validate(self.params)


class Option(Bilingual):
    """A possible answer, and why it is right or wrong."""

    key: str = Key
    right: bool = False
    why: Bilingual


class Question(Content):
    """A question of a quiz: choose one, choose all that are right, or a number."""

    key: str = Key
    kind: Literal["one", "many", "number"]
    text: Bilingual
    options: tuple[Option, ...] = ()
    answer: float | None = None
    tolerance: float = Field(default=0, ge=0)
    why: Bilingual | None = None

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if self.kind == "number":
            if self.answer is None or self.why is None or self.options:
                raise ValueError("a number needs answer and why, and no options")
            return self
        right = sum(option.right for option in self.options)
        if len(self.options) < 2 or right == 0 or (self.kind == "one" and right != 1):
            raise ValueError("needs at least two options; of one exactly one is right")
        _check_distinct("option", [option.key for option in self.options])
        return self

    def is_right(self, answer: Any) -> bool:
        """Whether an answer is: a number, or the keys of the chosen options."""
        if self.kind == "number":
            return isinstance(answer, int | float) and abs(answer - self.answer) <= self.tolerance  # type: ignore[operator]
        return set(answer) == {option.key for option in self.options if option.right}


class Action(Content):
    """The button that opens the page on which the step is done."""

    to: Destination
    values: dict[str, str] = Field(default_factory=dict, alias="with")
    label: Bilingual


class LeastCharacters(Content):
    en: int = Field(ge=1)
    ja: int = Field(ge=1)


class ReflectionTask(Content):
    prompt: Bilingual
    min_characters: LeastCharacters


class Unlock(Content):
    after: tuple[str, ...]


class StepFile(Content):
    """The YAML file of a step."""

    kind: Kind
    minutes: int = Field(ge=1, le=60)
    required: bool = True
    weight: int = Field(default=1, ge=0, le=10)
    unlock: Literal["earlier", "any"] | Unlock = "earlier"
    action: Action | None = None
    checks: tuple[Check, ...]
    questions: tuple[Question, ...] = ()
    reflection: ReflectionTask | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if not self.checks:
            raise ValueError("a step without checks would pass by itself")
        _check_distinct("check", [check.key for check in self.checks])
        _check_distinct("question", [question.key for question in self.questions])
        known: set[str] = set()
        for check in self.checks:
            if missing := set(check.needs) - known:
                raise ValueError(f"{check.key} needs {', '.join(sorted(missing))}, not before it")
            known.add(check.key)
        if (self.kind == "quiz") != bool(self.questions):
            raise ValueError("a quiz, and only a quiz, has questions")
        if (self.kind == "reflect") != (self.reflection is not None):
            raise ValueError("a reflect step, and only one, has a reflection")
        return self


class StepText(Content):
    """A step's text in one language; is_outdated when it translates an older one."""

    title: str = Field(min_length=1, max_length=120)
    body: str
    is_outdated: bool = False


class Step(StepFile):
    """A step with its texts."""

    key: str = Key
    texts: dict[str, StepText]

    def text(self, language: str) -> StepText:
        return self.texts.get(language.partition("-")[0], self.texts[SOURCE_LANGUAGE])


class CourseFile(Content):
    """The file course.yml."""

    slug: str = Key
    level: int = Field(ge=1, le=9)
    draft: bool = False
    minutes: int = Field(ge=1)
    requires: tuple[str, ...] = ()
    title: Bilingual
    summary: Bilingual
    outcomes: BilingualList
    steps: tuple[str, ...] = Field(min_length=1)

    @field_validator("steps")
    @classmethod
    def _steps_are_distinct(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        _check_distinct("step", list(steps))
        return steps


class CourseContent(Content):
    """A whole course, as a version keeps it."""

    about: CourseFile
    steps: tuple[Step, ...]

    @model_validator(mode="after")
    def _unlocks_lead_back(self) -> Self:
        known: set[str] = set()
        for step in self.steps:
            if isinstance(step.unlock, Unlock) and (missing := set(step.unlock.after) - known):
                raise ValueError(
                    f"{step.key} opens after {', '.join(sorted(missing))}, not before it"
                )
            known.add(step.key)
        return self

    def step(self, key: str) -> Step | None:
        return next((step for step in self.steps if step.key == key), None)


def _check_distinct(what: str, keys: list[str]) -> None:
    if len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"the {what} {', '.join(twice)} stands there twice")
