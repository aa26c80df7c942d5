"""Settings, language and theme, API tokens, and the one-time sign-in link."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from sesame.utils import get_user

from accounts.forms import ProfileForm, TokenForm
from accounts.models import User
from accounts.preferences import restore_preferences, set_language_cookie, set_theme_cookie
from accounts.tokens import create_token, revoke_token
from common.errors import ConflictError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest, HtmxRequest
from common.partials import render_partial

SETTINGS_TEMPLATE = "accounts/settings.html"
TOKENS_PARTIAL = "api-tokens"
UNUSABLE_LINK_STATUS = 410


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: AuthenticatedRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method != "POST":
        return _settings_page(request, form=form)
    if not form.is_valid():
        request.user.refresh_from_db()
        return _settings_page(request, form=form, status=422)
    user = form.save()
    response = redirect("accounts:settings")
    set_language_cookie(response, user.language)
    set_theme_cookie(response, user.theme)
    # The sentence is shown on the next page, which is in the new language already.
    with override(user.language or None):
        messages.success(request, _("Your settings are saved."))
    return response


def _settings_page(
    request: AuthenticatedRequest,
    *,
    form: ProfileForm | None = None,
    token_form: TokenForm | None = None,
    new_token: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form or ProfileForm(instance=request.user),
        "token_form": token_form or TokenForm(prefix="token"),
        "tokens": request.user.api_tokens.all(),
        "new_token": new_token,
    }
    return render_partial(request, SETTINGS_TEMPLATE, TOKENS_PARTIAL, context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: AuthenticatedRequest) -> HttpResponse:
    """Make an API token; its plain text is in this one answer and nowhere else."""
    if request.method != "POST":
        return redirect("accounts:settings")
    form = TokenForm(request.POST, prefix="token")
    if form.is_valid():
        try:
            _token, plain = create_token(request.user, **form.cleaned_data)
        except (InvalidInputError, ConflictError) as error:
            for sentence in [fault.message for fault in error.faults] or [error.message]:
                form.add_error(None, str(sentence))
        else:
            return _settings_page(request, new_token=plain)
    return _settings_page(request, token_form=form, status=422)


@login_required
@require_POST
def token_revoke(request: AuthenticatedRequest, token_id: UUID) -> HttpResponse:
    try:
        revoke_token(request.user, token_id)
    except NotFoundError as error:
        raise Http404(error.message) from error
    if request.htmx:
        return _settings_page(request)
    messages.success(
        request, _("The token is revoked. Programs that use it can no longer sign in.")
    )
    return redirect("accounts:settings")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Choose light or dark, signed in or not."""
    response = redirect(_next_address(request))
    chosen = request.POST.get("theme", "")
    if chosen in User.Theme.values:
        set_theme_cookie(response, chosen)
        if request.user.is_authenticated:
            User.objects.filter(pk=request.user.pk).update(theme=chosen)
    return response


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """Django's language switch, remembered with the account."""
    chosen = request.POST.get("language", "")
    if request.user.is_authenticated and chosen in dict(django_settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    return i18n.set_language(request)


@never_cache
@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HtmxRequest) -> HttpResponse:
    """A link that signs in once. Opening it only shows a button, so that a mail scanner does not use it up."""
    parameters = request.POST if request.method == "POST" else request.GET
    token = parameters.get(django_settings.SESAME_TOKEN_NAME, "")
    with transaction.atomic():
        # last_login moves at sign-in, and with it every earlier link of this person stops working.
        user = get_user(token, update_last_login=False) if token else None
        if user is None:
            return render(request, "accounts/sign_in_unusable.html", status=UNUSABLE_LINK_STATUS)
        if request.method != "POST":
            return render(request, "accounts/sign_in.html", {"token": token, "person": user})
        login(request, user)
    response = redirect(django_settings.LOGIN_REDIRECT_URL)
    restore_preferences(response, user)
    return response


def _next_address(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if is_ours and address else resolve_url("home")
