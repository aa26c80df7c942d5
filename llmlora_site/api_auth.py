"""Who calls the API: a bearer token, or a signed-in page with its CSRF token."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer, SessionAuth
from ninja.utils import check_csrf

from accounts.models import User
from accounts.tokens import find_user


class TokenAuth(HttpBearer):
    """With an Authorization header the cookies count for nothing, so a wrong token never falls back to a session."""

    def __call__(self, request: HttpRequest) -> User | None:
        if "Authorization" not in request.headers:
            return None
        user: User | None = super().__call__(request)
        if user is None:
            raise AuthenticationError(
                message=_(
                    "This API token is not valid. It may be mistyped, expired or revoked. Get a new one."
                )
            )
        return user

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = find_user(token.strip())
        if user is not None:
            request.user = user
            if user.language and "Accept-Language" not in request.headers:
                translation.activate(user.language)
        return user


class PageAuth(SessionAuth):
    """The session of a page. CSRF is asked only of somebody who is signed in: a stranger hears 401, not 403."""

    def __call__(self, request: HttpRequest) -> User | None:
        user = request.user
        if not isinstance(user, User):
            raise AuthenticationError(
                message=_("Sign in, or send an API token in the Authorization header.")
            )
        if check_csrf(request):
            raise AuthorizationError(
                message=_(
                    "The request carries no valid CSRF token. Reload the page, or send an API token instead."
                )
            )
        return user
