"""The dataset that an address names."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404

from common.errors import ForbiddenError, NotFoundError
from common.http import AuthenticatedRequest
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import get_dataset, get_editable_dataset, get_version, latest_version


def dataset_or_404(request: AuthenticatedRequest, dataset_id: UUID) -> Dataset:
    try:
        return get_dataset(request.user, dataset_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def editable_dataset_or_error(request: AuthenticatedRequest, dataset_id: UUID) -> Dataset:
    """404 for a dataset that the person may not see, 403 for one that they may only read."""
    try:
        return get_editable_dataset(request.user, dataset_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except ForbiddenError as error:
        raise PermissionDenied(str(error.message)) from error


def version_or_404(dataset: Dataset, number: str | int | None) -> DatasetVersion:
    """The version of that number; without one, the newest."""
    if number is None:
        return latest_version(dataset)
    text = str(number)
    # More digits than a version can have would be an error of the database.
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Http404
    try:
        return get_version(dataset, int(text))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
