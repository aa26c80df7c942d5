"""What every page of the roster shows: the way back, and dates in the time zone of the class."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, render_page
from courses.selectors.class_time import zone_of

TAB = "roster"


def show(
    request: AuthenticatedRequest,
    classroom: Classroom,
    template: str,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    common = {"zone": zone_of(classroom.cohort), "roster_address": classroom.address(TAB)}
    return render_page(request, classroom, TAB, common | context, template=template, status=status)
