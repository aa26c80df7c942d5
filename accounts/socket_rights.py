"""What ends the rights of a person is heard of wherever it is done, admin included, so that open sockets are cut."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save

from accounts.models import ApiToken, Membership, User
from common.rights import rights_changed

OF_USER = frozenset({"password", "is_active", "is_staff", "is_superuser"})


def listen() -> None:
    post_delete.connect(_session_ended, sender=Session, dispatch_uid="rights")
    post_delete.connect(_person_affected, sender=ApiToken, dispatch_uid="rights")
    post_delete.connect(_person_affected, sender=Membership, dispatch_uid="rights")
    post_save.connect(_person_affected, sender=Membership, dispatch_uid="rights")
    post_delete.connect(_account_affected, sender=User, dispatch_uid="rights")
    post_save.connect(_account_affected, sender=User, dispatch_uid="rights")


def _session_ended(instance: Session, **_: Any) -> None:
    user_id = instance.get_decoded().get(SESSION_KEY)
    if user_id is not None:
        rights_changed(user_id)


def _person_affected(instance: ApiToken | Membership, *, created: bool = False, **_: Any) -> None:
    if not created:
        rights_changed(instance.user_id)


def _account_affected(
    instance: User,
    *,
    created: bool = False,
    update_fields: frozenset[str] | None = None,
    **_: Any,
) -> None:
    # A sign-in writes its time into the row, and ends nothing.
    if not created and (update_fields is None or update_fields & OF_USER):
        rights_changed(instance.pk)
