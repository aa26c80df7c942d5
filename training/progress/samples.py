"""What the adapter answers to the job's fixed questions while it learns, and what changes between the answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from training.models import TrainingJob

# Japanese puts no spaces between words, so each of its characters counts as one.
JAPANESE = r"\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f"
WORD = re.compile(rf"[{JAPANESE}]|[^\W{JAPANESE}]+|\s+|[^\w\s]")
MAX_WORDS = 600
LEAST_ALIKE = 0.3
"""Of answers that have less in common than this, a list of differences says nothing."""

ChangeKind = Literal["same", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the adapter answered to a fixed question after `step` steps; step 0 is the untouched base model."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    kind: ChangeKind
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How an answer differs from the one of since_step; changes is empty when they have hardly anything in common."""

    since_step: int
    is_same: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class SampledPrompt:
    """A fixed question with its answers so far, the newest first."""

    prompt: str
    samples: tuple[Sample, ...]

    @property
    def newest(self) -> Sample | None:
        return self.samples[0] if self.samples else None

    @property
    def earlier(self) -> tuple[Sample, ...]:
        return self.samples[1:]

    @property
    def base(self) -> Sample | None:
        """What the untouched base model answered, when the adapter has answered too."""
        oldest = self.samples[-1] if len(self.samples) > 1 else None
        return oldest if oldest is not None and oldest.step == 0 else None

    @property
    def between(self) -> tuple[Sample, ...]:
        """The earlier answers but the base model's, which stands beside the newest."""
        return self.earlier if self.base is None else self.earlier[:-1]

    @property
    def difference(self) -> Difference | None:
        """From the answer before the newest; None when there is none."""
        if len(self.samples) < 2:
            return None
        newest, before = self.samples[:2]
        return Difference(
            before.step, newest.text == before.text, word_changes(before.text, newest.text)
        )


def word_changes(old: str, new: str) -> tuple[Change, ...]:
    """The words of both answers in order; none when the two are equal or hardly alike."""
    before, after = WORD.findall(old), WORD.findall(new)
    if old == new or max(len(before), len(after)) > MAX_WORDS:
        return ()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < LEAST_ALIKE:
        return ()
    changes: list[Change] = []
    for _tag, first, last, new_first, new_last in matcher.get_opcodes():
        removed, added = "".join(before[first:last]), "".join(after[new_first:new_last])
        if removed == added:
            changes.append(Change("same", added))
            continue
        changes += [Change("removed", removed)] if removed else []
        changes += [Change("added", added)] if added else []
    return tuple(changes)


def sampled_prompts(job: TrainingJob) -> list[SampledPrompt]:
    """The job's fixed questions, each with one answer a step; a resumed job tells its earlier ones again."""
    if not job.sample_prompts:
        return []
    answers: dict[int, dict[int, str]] = {}
    payloads = job.events.filter(type="sample").order_by("seq").values_list("payload", flat=True)
    for payload in payloads:
        answers.setdefault(payload["index"], {})[payload["step"]] = payload["text"]
    return [
        SampledPrompt(
            prompt,
            tuple(
                Sample(step, text)
                for step, text in sorted(answers.get(index, {}).items(), reverse=True)
            ),
        )
        for index, prompt in enumerate(job.sample_prompts)
    ]
