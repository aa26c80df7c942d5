"""Points from a CSV file: uploaded, looked at, stored."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from common.errors import ConflictError, InvalidInputError
from common.http import AuthenticatedRequest
from courses.forms.grading import ImportForm
from courses.instructor.frame import Classroom, for_leaders, render_page
from courses.instructor.gradebook import TAB
from courses.selectors.pinned import pinned_courses
from courses.services.grade_import import Preview, preview_import, store_import
from courses.services.grade_rows import COLUMNS


@require_http_methods(["GET", "HEAD", "POST"])
@for_leaders
def gradebook_import(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    if request.method != "POST":
        return _show(request, classroom, ImportForm())
    if "token" in request.POST:
        return _store(request, classroom, request.POST["token"])
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show(request, classroom, form, status=422)
    try:
        preview = preview_import(
            request.user,
            classroom.cohort,
            form.cleaned_data["file"].read(),
            is_projected=classroom.is_projected,
        )
    except InvalidInputError as error:
        form.add_error("file", str(error.message))
        return _show(request, classroom, form, status=422)
    status = 422 if preview.problems else 200
    return _show(request, classroom, ImportForm(), preview=preview, status=status)


def _store(request: AuthenticatedRequest, classroom: Classroom, token: str) -> HttpResponse:
    try:
        count = store_import(request.user, classroom.cohort, token)
    except (ConflictError, InvalidInputError) as error:
        form = ImportForm()
        return _show(request, classroom, form, status=error.status, refusal=str(error.message))
    sentence = ngettext("%(count)d score is set.", "%(count)d scores are set.", count)
    messages.success(request, sentence % {"count": count})
    return redirect(classroom.address("gradebook"))


def _show(
    request: AuthenticatedRequest,
    classroom: Classroom,
    form: ImportForm,
    *,
    preview: Preview | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "preview": preview,
        "refusal": refusal,
        "columns": COLUMNS,
        "courses": pinned_courses(classroom.cohort),
        "address": classroom.address("gradebook_import"),
        "back_address": classroom.address("gradebook"),
    }
    return render_page(request, classroom, TAB, context, template="gradebook_import", status=status)


urlpatterns = [
    path("<uuid:cohort_id>/gradebook/import/", gradebook_import, name="gradebook_import"),
]
