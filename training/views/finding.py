"""The job that an address names."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from training import selectors
from training.models import TrainingJob


def get_job_or_404(request: AuthenticatedRequest, job_id: UUID) -> TrainingJob:
    try:
        return selectors.get_job(request.user, job_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
