"""What a person asks for in a course: a starter set among their own datasets."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import UnavailableError
from courses.starter import Part, Record, StarterAbout, starter_about, starter_records
from datasets_app.models import Dataset
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.creating import create_dataset


def use_starter_set(owner: User, *, level: int, part: Part, language: str) -> tuple[Dataset, bool]:
    """A level's set among the person's datasets, and whether it was copied just now.

    Raises:
        DiskFullError: no room for it.
    """
    about = starter_about(level, language)
    name = about.title if part == "train" else _("%(title)s (evaluation)") % {"title": about.title}
    records = starter_records(level, part, language)
    known = _same_set(owner, name, records)
    if known is not None:
        return known, False
    description = _description(about, part)
    return create_dataset(owner, name=name, description=description, records=records), True


def _same_set(owner: User, name: str, records: list[Record]) -> Dataset | None:
    """A dataset of that name whose newest version still holds just these records."""
    named = Dataset.objects.owned_by(owner).filter(name=name).prefetch_related("versions")
    return next((dataset for dataset in named if _holds(dataset, records)), None)


def _holds(dataset: Dataset, records: list[Record]) -> bool:
    try:
        return read_records(latest_version(dataset), limit=len(records) + 1) == records
    except UnavailableError:
        return False


def _description(about: StarterAbout, part: Part) -> str:
    sentences = [
        about.description
        if part == "train"
        else _(
            "Other questions about the same facts, to measure what the model learned. "
            "Do not train on them."
        ),
        about.disclaimer,
    ]
    return "\n".join(filter(None, sentences))
