"""The way to the directory, and the way back from it."""

from __future__ import annotations

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.internal.statekit import unstash_state
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.sso.claims import groups_of
from accounts.sso.config import the_server
from accounts.sso.connecting import connect
from accounts.sso.errors import declined, not_begun_here
from accounts.sso.provider import DirectoryProvider
from accounts.sso.welcoming import welcome
from common.errors import DomainError

CANCELLED = "access_denied"


@never_cache
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """A page that leads on at once.

    Browsers hold a form to our own addresses along all of its redirects (Content-Security-Policy, form-action), and a
    directory may send people on to others; a page that leads on is no form.
    """
    wants = request.POST.get("process")
    is_connecting = wants == AuthProcess.CONNECT and request.user.is_authenticated
    process = AuthProcess.CONNECT if is_connecting else AuthProcess.LOGIN
    try:
        address = _provider(request).address_to_sign_in(process, get_next_redirect_url(request))
    except DomainError as error:
        return _failed(request, error)
    context = {"address": address, "name": the_server().name}
    return render(request, "accounts/sso_leave.html", context)


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    try:
        return _come_back(request)
    except DomainError as error:
        return _failed(request, error)


def _come_back(request: HttpRequest) -> HttpResponse:
    provider = _provider(request)
    state_id = request.GET.get("state", "")
    state = unstash_state(request, provider_id=provider.sub_id, state_id=state_id)
    if state is None:
        raise not_begun_here()
    is_connecting = state["process"] == AuthProcess.CONNECT
    if is_connecting and state["data"]["person"] != request.user.pk:
        raise not_begun_here()
    if error := request.GET.get("error"):
        return _turned_back(request, error, is_connecting=is_connecting)
    claims = provider.claims_of(request.GET.get("code", ""), state)
    login = provider.login_of(claims)
    login.state = state
    response = _connect(request, login) if is_connecting else complete_social_login(request, login)
    if isinstance(request.user, User):
        welcome(request, request.user, groups_of(claims, the_server().groups_claim))
    return response


def _connect(request: HttpRequest, login: SocialLogin) -> HttpResponse:
    if not isinstance(request.user, User):
        raise not_begun_here()
    connect(request.user, login)
    sentence = _("Your account is connected: from now on you can sign in through %(name)s.")
    messages.success(request, sentence % {"name": the_server().name})
    return redirect("accounts:settings")


def _turned_back(request: HttpRequest, error: str, *, is_connecting: bool) -> HttpResponse:
    if error != CANCELLED:
        raise declined(error)
    sentence = _("The sign-in through %(name)s was cancelled there, so nothing was changed.")
    messages.info(request, sentence % {"name": the_server().name})
    return redirect("accounts:settings" if is_connecting else "account_login")


def _failed(request: HttpRequest, error: DomainError) -> HttpResponse:
    context = {"sentence": error.message, "name": the_server().name}
    return render(request, "accounts/sso_failed.html", context, status=error.status)


def _provider(request: HttpRequest) -> DirectoryProvider:
    return get_adapter().get_provider(request, the_server().url)
