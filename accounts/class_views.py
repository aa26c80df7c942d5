"""The classes that a person is in, those they wait for, and the way out of them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import JoinForm
from accounts.joining.classes import class_cards, waiting_requests
from accounts.joining.entering import is_last_instructor, leave, take_back
from accounts.models import Membership
from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest


@login_required
@require_safe
def class_list(request: AuthenticatedRequest) -> HttpResponse:
    context = {
        "cards": class_cards(request.user),
        "requests": waiting_requests(request.user),
        "form": JoinForm(),
    }
    return render(request, "accounts/classes.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def class_leave(request: AuthenticatedRequest, cohort_id: UUID) -> HttpResponse:
    """What leaving means, before it is done."""
    mine = Membership.objects.filter(user=request.user, cohort_id=cohort_id)
    member = mine.select_related("cohort").first()
    if member is None:
        raise Http404(_("There is no class with this id, or you are not in it."))
    if request.method != "POST":
        context = {"cohort": member.cohort, "is_last_instructor": is_last_instructor(member)}
        return render(request, "accounts/class_leave.html", context)
    try:
        leave(request.user, member.cohort)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except ConflictError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("You left the class “%(name)s”.") % {"name": member.cohort})
    return redirect("accounts:class_list")


@login_required
@require_POST
def request_take_back(request: AuthenticatedRequest, request_id: UUID) -> HttpResponse:
    try:
        cohort = take_back(request.user, request_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    messages.success(
        request, _("Your request to join “%(name)s” is taken back.") % {"name": cohort.name}
    )
    return redirect("accounts:class_list")
