"""The forms in which a job is shown as code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from django.utils.text import slugify

from training.models import TrainingJob
from training.scripting.script import python_script
from training.scripting.settings_file import settings_yaml

CodeFormat = Literal["python", "yaml"]


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A job as one file of code."""

    name: str
    content_type: str
    text: str


_MAKERS: dict[CodeFormat, tuple[str, str, Callable[[TrainingJob], str]]] = {
    "python": ("py", "text/x-python; charset=utf-8", python_script),
    "yaml": ("yaml", "application/yaml; charset=utf-8", settings_yaml),
}
CODE_FORMATS = tuple(_MAKERS)


def code_file(job: TrainingJob, code_format: CodeFormat) -> CodeFile:
    ending, content_type, make = _MAKERS[code_format]
    name = slugify(job.name, allow_unicode=True)[:80] or "job"
    return CodeFile(f"{name}.{ending}", content_type, make(job))
