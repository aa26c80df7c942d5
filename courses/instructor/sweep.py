"""The class as one sweep: a picture of what its settings did, also for the projector."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_reviewers, render_page
from courses.selectors.class_sweep import (
    BASE_MODEL,
    NOTHING,
    SETTINGS,
    SweepView,
    class_sweep,
    measure_labels,
)
from courses.selectors.runs import OwnerNames


@require_safe
@for_reviewers
def sweep(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    view = SweepView.from_address(request.GET)
    names = None
    if not classroom.is_projected:
        names = OwnerNames.of(classroom.cohort, is_projected=False)
    settings = [(setting.key, setting.label) for setting in SETTINGS.values()]
    context = {
        "view": view,
        "picture": class_sweep(classroom.cohort, view, names),
        "x_choices": settings,
        "y_choices": list(measure_labels().items()),
        "by_choices": [(NOTHING, _("Nothing")), *settings, (BASE_MODEL, _("Base model"))],
    }
    return render_page(request, classroom, "sweep", context, partial="class-sweep")


urlpatterns = [path("<uuid:cohort_id>/sweep/", sweep, name="sweep")]
