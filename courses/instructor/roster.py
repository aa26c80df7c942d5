"""The roster: who is in a class, and who is expected."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.joining.codes import shown_code
from accounts.models import JoinRequest, Membership
from accounts.roles import is_instructor
from accounts.roster.importing import remove_entry
from common.http import AuthenticatedRequest
from common.safe_csv import write_rows
from courses.instructor.frame import Classroom, for_leaders, for_reviewers
from courses.instructor.refusals import refusals_answered
from courses.instructor.roster_frame import show
from courses.instructor.roster_joining import DAYS, DEFAULT_DAYS, join_link
from courses.selectors.names import shown_names
from courses.selectors.pinned import pinned_courses
from courses.selectors.roster import RosterFilters, expected_people, roster_page
from courses.selectors.roster_table import roster_table

EXPECTED_PER_PAGE = 50
FILE_NAME_CHARACTERS = 80


@for_reviewers
@require_safe
def roster(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    filters = RosterFilters.of(request.GET, is_projected=classroom.is_projected)
    courses = pinned_courses(classroom.cohort)
    page, rows = roster_page(
        classroom.cohort,
        courses,
        filters,
        request.GET.get("page"),
        is_projected=classroom.is_projected,
    )
    expected = expected_people(classroom.cohort)
    context = {
        "page": page,
        "rows": rows,
        "courses": courses,
        "filters": filters,
        "roles": Membership.Role.choices,
        "can_instruct": is_instructor(request.user, classroom.cohort),
        "expected": Paginator(expected, EXPECTED_PER_PAGE).get_page(request.GET.get("expected")),
        **_joining(request, classroom),
    }
    return show(request, classroom, "roster", context)


def _joining(request: AuthenticatedRequest, classroom: Classroom) -> dict[str, Any]:
    """The card of the join code, for those who may give it away."""
    if not classroom.can_lead:
        return {}
    cohort = classroom.cohort
    expires_at = cohort.join_code_expires_at
    is_open = bool(cohort.join_code) and (expires_at is None or expires_at > timezone.now())
    return {
        "join_code": shown_code(cohort.join_code) if is_open else "",
        "join_link": join_link(request, cohort.join_code) if is_open else "",
        "expires_at": expires_at,
        "requests": JoinRequest.objects.filter(cohort=cohort).select_related("user"),
        "days": DAYS,
        "default_days": DEFAULT_DAYS,
    }


@for_leaders
@require_safe
def roster_export(_request: AuthenticatedRequest, classroom: Classroom) -> StreamingHttpResponse:
    """Everybody, and who is expected, in columns that an import reads again."""
    cohort = classroom.cohort
    rows = roster_table(cohort, pinned_courses(cohort), shown_names(cohort))
    response = StreamingHttpResponse(write_rows(rows), content_type="text/csv; charset=utf-8")
    name = slugify(cohort.name, allow_unicode=True)[:FILE_NAME_CHARACTERS] or "class"
    disposition = content_disposition_header(True, f"{name}-roster.csv")
    response.headers["Content-Disposition"] = disposition or "attachment"
    return response


@for_leaders
@require_POST
def expected_remove(
    request: AuthenticatedRequest, classroom: Classroom, entry_id: UUID
) -> HttpResponse:
    with refusals_answered(request):
        entry = remove_entry(request.user, classroom.cohort, entry_id)
        messages.success(request, _("%(name)s is not expected any more.") % {"name": entry})
    return redirect(classroom.address("roster"))


urlpatterns = [
    path("<uuid:cohort_id>/roster/", roster, name="roster"),
    path("<uuid:cohort_id>/roster/export.csv", roster_export, name="roster_export"),
    path(
        "<uuid:cohort_id>/roster/expected/<uuid:entry_id>/remove/",
        expected_remove,
        name="roster_expected_remove",
    ),
]
