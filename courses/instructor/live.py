"""The class as it works: who is at which step, who waits for a device, who is stuck."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_reviewers, render_page
from courses.instructor.live_view import LiveView
from courses.instructor.pieces import page_context, render_pieces
from courses.selectors.live import CellState, Show, Sort
from courses.wording.cells import cell_label


@for_reviewers
def live(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    view = LiveView.from_query(request.GET.dict())
    context = page_context("live", classroom.cohort, view, can_lead=classroom.can_lead)
    return render_page(request, classroom, "live", context | _choices(view))


@for_reviewers
def live_pieces(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """The parts of the page, for a page whose socket is closed."""
    view = LiveView.from_query(request.GET.dict())
    pieces = render_pieces("live", classroom.cohort, view, can_lead=classroom.can_lead)
    return HttpResponse("".join(pieces.values()))


@for_reviewers
def tab_pieces(_request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """What is live on every page of a class, for a page whose socket is closed."""
    pieces = render_pieces("tabs", classroom.cohort, LiveView(), can_lead=classroom.can_lead)
    return HttpResponse("".join(pieces.values()))


def _choices(view: LiveView) -> dict[str, Any]:
    sorts = {Sort.NAME: _("Name"), Sort.PROGRESS: _("Least progress"), Sort.HELP: _("Needs help")}
    shows = {
        Show.ALL: _("All"),
        Show.STUCK: _("Stuck or asking"),
        Show.WAITING: _("Waiting for a device"),
        Show.DONE: _("Done"),
    }
    return {
        "sorts": [
            (label, view.changed(sort=key), key == view.sort) for key, label in sorts.items()
        ],
        "shows": [
            (label, view.changed(show=key), key == view.show) for key, label in shows.items()
        ],
        "legend": [(state.value, cell_label(state)) for state in CellState],
    }


urlpatterns = [
    path("<uuid:cohort_id>/live/", require_safe(live), name="live"),
    path("<uuid:cohort_id>/live/pieces/", require_safe(live_pieces), name="live_pieces"),
    path("<uuid:cohort_id>/tabs/pieces/", require_safe(tab_pieces), name="tab_pieces"),
]
