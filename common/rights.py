"""Tell the open sockets of a person that their rights may have ended. A hint only: each socket asks the database."""

from __future__ import annotations

from django.db import transaction

from common.channel_layer import publish


def person_group(user_id: int | str) -> str:
    """The channel-layer group of all sockets of a person."""
    return f"people.{user_id}"


def rights_changed(user_id: int | str) -> None:
    """Hint to the person's sockets once the current transaction is in the database."""
    transaction.on_commit(
        lambda: publish(person_group(user_id), {"type": "rights.changed"}), robust=True
    )
