"""Rename, settings, export and deletion of a chat."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.exporting import export_response
from chat.forms.faults import add_domain_error
from chat.forms.keeping import RenameForm, SystemPromptForm
from chat.services.keeping import change_settings, delete_session, rename_session
from chat.views.owned import owned_session
from chat.views.room import show_room
from common.errors import DomainError, InvalidInputError
from common.http import AuthenticatedRequest


@login_required
@require_POST
def session_rename(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    form = RenameForm(request.POST)
    try:
        if not form.is_valid():
            raise InvalidInputError(" ".join(str(error) for error in form.errors["name"]))
        rename_session(session, form.cleaned_data["name"])
    except InvalidInputError as error:
        notices.error(request, str(error.message))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)
    return redirect("chat:session_detail", session.pk)


@login_required
@require_POST
def session_settings(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    form = SystemPromptForm(request.POST, auto_id="chat_%s")
    if form.is_valid():
        try:
            change_settings(session, {"system_prompt": form.cleaned_data["system_prompt"]})
        except DomainError as error:
            add_domain_error(form, error, names={"message": "system_prompt"})
        else:
            notices.success(
                request, _("The system prompt is saved. It holds from the next answer on.")
            )
            return redirect("chat:session_detail", session.pk)
    return show_room(request, session, prompt_form=form, status=422)


@login_required
@require_GET
def session_export(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    try:
        return export_response(
            session, request.GET.get("format", "json"), request.GET.get("scope", "branch")
        )
    except InvalidInputError as error:
        notices.error(request, str(error.message))
        return redirect("chat:session_detail", session.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def session_delete(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    if request.method == "POST":
        delete_session(session)
        notices.success(request, _("The chat “%(name)s” is deleted.") % {"name": session.name})
        return redirect("chat:session_list")
    return render(request, "chat/session_delete.html", {"session": session})
