"""The page about one's own data: what is kept, having it, having it erased."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.forms import ErasureForm
from accounts.privacy.asking import ask_erasure, ask_export, cancel_own_request
from accounts.privacy.download import archive_response
from accounts.privacy.page import page_context
from common import rate_limit
from common.errors import ConflictError, DiskFullError, NotFoundError, TooManyRequestsError
from common.http import AuthenticatedRequest

TRIES = 10
TRIES_SECONDS = 600


@login_required
@require_safe
def data(request: AuthenticatedRequest) -> HttpResponse:
    return _page(request, ErasureForm(request.user))


@login_required
@require_POST
def data_export(request: AuthenticatedRequest) -> HttpResponse:
    try:
        ask_export(request.user)
    except (ConflictError, DiskFullError) as error:
        messages.error(request, str(error.message))
    else:
        messages.success(
            request, _("Your data is being put together. You are told when it can be downloaded.")
        )
    return redirect("accounts:data")


@login_required
@sensitive_post_parameters("password")
@require_POST
def data_erase(request: AuthenticatedRequest) -> HttpResponse:
    try:
        rate_limit.consume(
            "erasure", str(request.user.pk), limit=TRIES, period_seconds=TRIES_SECONDS
        )
    except TooManyRequestsError as error:
        messages.error(request, str(error.message))
        answer = _page(request, ErasureForm(request.user), status=error.status)
        answer["Retry-After"] = str(error.retry_after_seconds)
        return answer
    form = ErasureForm(request.user, request.POST)
    if form.is_valid():
        try:
            ask_erasure(request.user)
        except ConflictError as error:
            form.add_error(None, str(error.message))
        else:
            messages.success(
                request,
                _("Your account will be erased in 7 days. Until then you can take it back."),
            )
            return redirect("accounts:data")
    return _page(request, form, status=422)


@login_required
@require_POST
def data_cancel(request: AuthenticatedRequest, request_id: UUID) -> HttpResponse:
    try:
        cancel_own_request(request.user, request_id)
    except NotFoundError as error:
        raise Http404(error.message) from error
    except ConflictError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("The request is taken back. Nothing happens to your data."))
    return redirect("accounts:data")


@login_required
@require_safe
def data_download(request: AuthenticatedRequest, request_id: UUID) -> HttpResponseBase:
    try:
        return archive_response(request.user, request_id)
    except NotFoundError as error:
        raise Http404(error.message) from error


def _page(request: AuthenticatedRequest, form: ErasureForm, *, status: int = 200) -> HttpResponse:
    context = page_context(request.user) | {"form": form}
    return render(request, "accounts/data.html", context, status=status)
