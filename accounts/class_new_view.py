"""The page of a new class."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.class_changing import make_class
from accounts.class_forms import ClassForm
from common.http import AuthenticatedRequest


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def class_new(request: AuthenticatedRequest) -> HttpResponse:
    """For the staff: a class takes devices and space of everybody."""
    if not request.user.is_staff:
        raise PermissionDenied(
            _("Only instructors can make a class. Ask who administers this installation.")
        )
    form = ClassForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        cohort = make_class(request.user, form.save(commit=False))
        return redirect("classroom:settings", cohort.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "accounts/class_new.html", {"form": form}, status=status)
