"""What the web server says of itself when it starts: the version, and the mark of its storage."""

from __future__ import annotations

import secrets
import socket

from django.conf import settings
from django.db import transaction

from modelhub.models import Installation
from modelhub.storage_proof import StorageProof, read_proof, write_proof

ONLY_ROW = 1


def announce_installation() -> None:
    """Make or renew what workers are compared with; web servers that start at once wait for each other.

    Where the storage does not hold the mark, it gets a new one: a worker that still uses the storage of before is
    told from the others by the old mark.

    Raises:
        StorageUnusableError: the mark could not be left in storage.
    """
    with transaction.atomic():
        installation, _is_new = Installation.objects.select_for_update().get_or_create(
            pk=ONLY_ROW, defaults={"storage_nonce": _new_nonce(), "version": settings.VERSION}
        )
        proof = read_proof()
        if proof is None or proof.nonce != installation.storage_nonce:
            installation.storage_nonce = _new_nonce()
        installation.version = settings.VERSION
        installation.save()
        write_proof(
            StorageProof(installation.storage_nonce, settings.VERSION, socket.gethostname())
        )


def _new_nonce() -> str:
    return secrets.token_hex(16)
