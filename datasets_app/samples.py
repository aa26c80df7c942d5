"""One short sample of each shape, for the page on which a dataset is made."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datasets_app.models import Dataset


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample as a person would write it.

    Attributes:
        kind: the dataset type it shows.
        use: when to take this shape.
        text: JSON lines that can be pasted as they are.
    """

    kind: Dataset.Type
    use: Promise
    text: str


SAMPLES = (
    Sample(
        Dataset.Type.INSTRUCTION,
        _("A task and its answer. An input is optional. Take this when you are not sure."),
        '{"instruction": "Who waters the school garden?", "output": "Class 2B waters it every Monday and Thursday."}\n'
        '{"instruction": "Make this polite.", "input": "Give me the key.", "output": "May I have the key?"}\n',
    ),
    Sample(
        Dataset.Type.CHAT,
        _("A conversation of several turns. Only the turns of the assistant are learned."),
        '{"messages": [{"role": "system", "content": "You are the library desk."}, '
        '{"role": "user", "content": "Are you open on Sunday?"}, '
        '{"role": "assistant", "content": "No, but the return box is always open."}]}\n',
    ),
    Sample(
        Dataset.Type.COMPLETION,
        _("A beginning and its continuation, or a plain text. Take this for a style of writing."),
        '{"prompt": "The bell of our school", "completion": " rings in D minor, and nobody knows why."}\n'
        '{"text": "Every spring the third-years plant one tree behind the gym."}\n',
    ),
)


def sample_text(kind: str) -> str:
    """The sample of that type, or nothing."""
    return next((sample.text for sample in SAMPLES if sample.kind == kind), "")
