"""A job's curves as files."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from common.http import AuthenticatedRequest
from training.curves.drawing import job_charts
from training.curves.reading import read_measurements
from training.curves.view import CurveView
from training.downloads import curves_csv_response, curves_json_response, file_response
from training.plotting.svg_file import standalone_svg
from training.views.finding import get_job_or_404


@login_required
@require_GET
def curves_csv(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return curves_csv_response(get_job_or_404(request, job_id))


@login_required
@require_GET
def curves_json(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return curves_json_response(get_job_or_404(request, job_id))


@login_required
@require_GET
def chart_svg(request: AuthenticatedRequest, job_id: UUID, name: str) -> HttpResponse:
    """One chart as the page shows it, with the axes of the address."""
    job = get_job_or_404(request, job_id)
    view = CurveView.from_query(request.GET).changed(is_projector=False)
    charts = {chart.name: chart for chart in job_charts(job, read_measurements(job), view)}
    if name not in charts:
        raise Http404(_("This job has no chart of this name."))
    subtitle = f"{job.name} · {job.base_model.name}"
    content = standalone_svg(charts[name], subtitle=subtitle).encode()
    return file_response(job, content, f"{name}.svg", "image/svg+xml")
