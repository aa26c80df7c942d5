"""The dataset that an address names."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from datasets_app.models import Dataset
from datasets_app.selectors import get_dataset


def dataset_or_404(request: AuthenticatedRequest, dataset_id: UUID) -> Dataset:
    try:
        return get_dataset(request.user, dataset_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
