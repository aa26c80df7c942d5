"""The same request sent twice makes one object: the Idempotency-Key header."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import ngettext

from accounts.models import IdempotencyKey, User
from common.errors import Fault, InvalidInputError

Made = TypeVar("Made", bound=models.Model)


def once(
    user: User,
    *,
    scope: str,
    key: str | None,
    create: Callable[[], Made],
    find: Callable[[str], Made],
) -> Made:
    """create() for the first request with this key; find(object id) for every later one.

    Without a key, create() each time. The key is claimed in create()'s transaction: of two requests at once the second
    waits for the first, and a create() that fails leaves the key free.
    """
    if not key:
        return create()
    _check_length(key)
    cutoff = timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)
    try:
        with transaction.atomic():
            IdempotencyKey.objects.filter(user=user, created_at__lt=cutoff).delete()
            claim = IdempotencyKey.objects.create(user=user, scope=scope, key=key)
            made = create()
            claim.object_id = str(made.pk)
            claim.save(update_fields=["object_id"])
            return made
    except IntegrityError:
        earlier = IdempotencyKey.objects.filter(user=user, scope=scope, key=key).first()
        if earlier is None:
            raise
        return find(earlier.object_id)


def _check_length(key: str) -> None:
    longest = IdempotencyKey._meta.get_field("key").max_length or 0
    if len(key) > longest:
        sentence = ngettext(
            "The Idempotency-Key header is too long. Use at most %(count)d character.",
            "The Idempotency-Key header is too long. Use at most %(count)d characters.",
            longest,
        ) % {"count": longest}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="Idempotency-Key")])
