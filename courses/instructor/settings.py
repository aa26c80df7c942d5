"""What a class is, to be changed by those who lead it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.class_changing import change_class
from accounts.class_forms import ClassForm
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders, render_page


@require_http_methods(["GET", "HEAD", "POST"])
@for_leaders
def settings(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    form = ClassForm(request.POST or None, instance=classroom.cohort)
    if request.method == "POST" and form.is_valid():
        changed = [name for name in form.changed_data if name != "seen"]
        change_class(request.user, form.instance, changed)
        messages.success(request, _("The class is saved."))
        return redirect(classroom.address("settings"))
    status = 422 if request.method == "POST" else 200
    if status == 422:
        # What was typed into the form stands in the object, too.
        classroom.cohort.refresh_from_db()
    return render_page(request, classroom, "settings", {"form": form}, status=status)


urlpatterns = [path("<uuid:cohort_id>/settings/", settings, name="settings")]
