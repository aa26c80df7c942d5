"""The classes that a person is in: those they learn in, and those they lead."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Membership
from common.http import AuthenticatedRequest


@login_required
@require_safe
def class_list(request: AuthenticatedRequest) -> HttpResponse:
    """Those that they joined last come first."""
    mine = Membership.objects.filter(user=request.user).select_related("cohort")
    context = {"memberships": mine.order_by("-created_at"), "reviewers": Membership.REVIEWERS}
    return render(request, "accounts/classes.html", context)
