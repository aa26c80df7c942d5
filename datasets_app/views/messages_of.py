"""What is said once something was done to a dataset."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import ngettext

from datasets_app.models import Dataset
from datasets_app.selectors import latest_version


def tell_saved(request: HttpRequest, dataset: Dataset) -> None:
    """Say that a dataset is saved, and how many examples it has."""
    count = latest_version(dataset).example_count
    sentence = ngettext(
        "“%(name)s” is saved with %(count)d example.",
        "“%(name)s” is saved with %(count)d examples.",
        count,
    )
    messages.success(request, sentence % {"name": dataset.name, "count": count})
