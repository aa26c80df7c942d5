"""API tokens: made, found and revoked. The plain token is shown once; only its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import ApiToken, User
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError

# The prefix lets secret scanners recognise a token that has leaked.
PREFIX = "llm_"
SECRET_BYTES = 32
DEFAULT_DAYS = 30
MAX_TOKENS_PER_USER = 50
# A script may call many times a second; one write a minute tells as much.
LAST_USED_PRECISION = timedelta(minutes=1)


def create_token(user: User, *, name: str = "", days: int = DEFAULT_DAYS) -> tuple[ApiToken, str]:
    """A new token and its plain text, which can not be read again.

    Raises:
        InvalidInputError: days is out of range or name too long.
        ConflictError: the person has too many tokens already.
    """
    name = name.strip() or str(_("API token"))
    _check(name=name, days=days)
    user.api_tokens.filter(expires_at__lte=timezone.now()).delete()
    if user.api_tokens.count() >= MAX_TOKENS_PER_USER:
        raise ConflictError(
            _(
                "You have as many API tokens as one person may have. Revoke one that you no longer use, then try again."
            )
        )
    plain = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=_digest(plain),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return token, plain


def find_user(plain: str) -> User | None:
    """The active person whose unexpired token this is."""
    if not plain.startswith(PREFIX):
        return None
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(digest=_digest(plain), expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_PRECISION:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token.user


def revoke_token(user: User, token_id: UUID | str) -> None:
    """Delete one token of this person; it stops working at once.

    Raises:
        NotFoundError: the person has no such token.
    """
    deleted, _per_model = user.api_tokens.filter(pk=token_id).delete()
    if not deleted:
        raise NotFoundError(_("You have no such API token. It may have been revoked already."))


def _digest(plain: str) -> str:
    # The token is random, so one round of a fast hash is as good as a slow one.
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _check(*, name: str, days: int) -> None:
    faults = []
    longest_name = ApiToken._meta.get_field("name").max_length or 0
    if len(name) > longest_name:
        sentence = ngettext(
            "The name is too long. Use at most %(count)d character.",
            "The name is too long. Use at most %(count)d characters.",
            longest_name,
        )
        faults.append(Fault(sentence % {"count": longest_name}, field="name"))
    if not 1 <= days <= settings.API_TOKEN_MAX_DAYS:
        sentence = ngettext(
            "A token lasts at least 1 day and at most %(count)d day.",
            "A token lasts at least 1 day and at most %(count)d days.",
            settings.API_TOKEN_MAX_DAYS,
        )
        faults.append(
            Fault(sentence % {"count": settings.API_TOKEN_MAX_DAYS}, field="expires_in_days")
        )
    if faults:
        raise InvalidInputError(
            _("The token was not made, because some values can not be used."), faults=faults
        )
