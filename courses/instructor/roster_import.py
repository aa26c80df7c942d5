"""A roster file: looked at first, imported when an instructor confirms."""

from __future__ import annotations

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.roles import is_instructor
from accounts.roster.importing import import_roster, preview_import
from accounts.roster.planning import Plan
from common.csv_reading import MAX_BYTES, decode
from common.errors import ConflictError, InvalidInputError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders
from courses.instructor.refusals import refusals_answered
from courses.instructor.roster_forms import UploadForm
from courses.instructor.roster_frame import show

SHOWN_LINES = 100
PREVIEW_SECONDS = 3600


@for_leaders
@require_http_methods(["GET", "HEAD", "POST"])
def roster_import(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """Choose a file; what it would change is shown before anything is stored."""
    if not is_instructor(request.user, classroom.cohort):
        raise PermissionDenied
    if request.method != "POST":
        return _upload_page(request, classroom, UploadForm())
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _upload_page(request, classroom, form, status=422)
    try:
        text = decode(form.cleaned_data["file"].read(MAX_BYTES + 1))
        plan = preview_import(request.user, classroom.cohort, text)
    except (InvalidInputError, ConflictError) as error:
        form.add_error("file", str(error.message))
        return _upload_page(request, classroom, form, status=422)
    return _preview_page(request, classroom, plan, _sealed(request, classroom, text))


@for_leaders
@require_http_methods(["GET", "HEAD", "POST"])
def roster_import_confirm(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """Import the file whose preview was shown; it can not be changed in between."""
    if request.method != "POST":
        # A refused import is shown at this address, and its page may be loaded anew.
        return redirect("classroom:roster_import", classroom.cohort.pk)
    sealed, skips_wrong = request.POST.get("roster", ""), request.POST.get("skip") == "1"
    try:
        text = signing.loads(sealed, salt=_salt(request, classroom), max_age=PREVIEW_SECONDS)
    except signing.BadSignature:
        messages.warning(request, _("The preview is out of date. Choose the file again."))
        return redirect("classroom:roster_import", classroom.cohort.pk)
    try:
        with refusals_answered(request):
            plan = import_roster(request.user, classroom.cohort, text, skips_wrong=skips_wrong)
            messages.success(request, _outcome(plan))
    except InvalidInputError as error:
        plan = preview_import(request.user, classroom.cohort, text)
        return _preview_page(request, classroom, plan, sealed, fault=str(error.message), status=422)
    return redirect("classroom:roster", classroom.cohort.pk)


def _upload_page(
    request: AuthenticatedRequest, classroom: Classroom, form: UploadForm, *, status: int = 200
) -> HttpResponse:
    return show(request, classroom, "roster_import", {"form": form}, status=status)


def _preview_page(
    request: AuthenticatedRequest,
    classroom: Classroom,
    plan: Plan,
    sealed: str,
    *,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    coming = [*plan.new, *plan.changed]
    context = {
        "plan": plan,
        "sealed": sealed,
        "faults": plan.faults[:SHOWN_LINES],
        "coming": sorted(coming, key=lambda item: item.row.line)[:SHOWN_LINES],
        "coming_count": len(coming),
        "shown_lines": SHOWN_LINES,
        "fault": fault,
    }
    return show(request, classroom, "roster_preview", context, status=status)


def _outcome(plan: Plan) -> str:
    count = len(plan.new) + len(plan.changed)
    if not count:
        return _("Everybody in the file stands in the roster already, so nothing was changed.")
    sentence = ngettext(
        "%(count)d person was added or changed, and %(joined)d of them are in the class now.",
        "%(count)d people were added or changed, and %(joined)d of them are in the class now.",
        count,
    )
    return sentence % {"count": count, "joined": len(plan.joining)}


def _sealed(request: AuthenticatedRequest, classroom: Classroom, text: str) -> str:
    return signing.dumps(text, salt=_salt(request, classroom), compress=True)


def _salt(request: AuthenticatedRequest, classroom: Classroom) -> str:
    """One person's preview for one class is of no use for another."""
    return f"roster-import:{classroom.cohort.pk}:{request.user.pk}"


urlpatterns = [
    path("<uuid:cohort_id>/roster/import/", roster_import, name="roster_import"),
    path(
        "<uuid:cohort_id>/roster/import/confirm/",
        roster_import_confirm,
        name="roster_import_confirm",
    ),
]
