"""API call about a job's curves as a file."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query

from common.api import ERROR_RESPONSES, current_user
from training import selectors
from training.api.router import router
from training.downloads import curves_csv_response, curves_json_response


@router.get(
    "/jobs/{uuid:job_id}/curves",
    response=ERROR_RESPONSES,
    summary="Its curves as a CSV or JSON file",
    description=(
        "Every metric point with the seconds of training without pauses; step 0 is the untouched base model. "
        "The CSV file is UTF-8 with a byte order mark."
    ),
)
def get_curves(
    request: HttpRequest,
    job_id: UUID,
    format: Annotated[Literal["csv", "json"], Query("json")],
) -> HttpResponse:
    job = selectors.get_job(current_user(request), job_id)
    return curves_csv_response(job) if format == "csv" else curves_json_response(job)
