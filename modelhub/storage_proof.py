"""The proof that a worker uses the web server's storage: a mark to find there, and a file to bring back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

logger = logging.getLogger(__name__)

PROOF_FILE = "system/storage-proof.json"
WORKER_FOLDER = "system/workers"


@dataclass(frozen=True, slots=True)
class StorageProof:
    """What the web server leaves in storage.

    Attributes:
        nonce: the mark of the installation.
        version: of the web server that started last.
        host: name of its machine.
    """

    nonce: str
    version: str
    host: str


class StorageUnusableError(Exception):
    """The storage could not be read or written; the text is the system's own reason."""


class StorageRenamesError(Exception):
    """The storage kept a file under another name than the one that it was given."""


def write_proof(proof: StorageProof) -> None:
    """Leave the mark in storage; does nothing where it stands already.

    Raises:
        StorageUnusableError: the storage can not be read or written.
    """
    if read_proof() != proof:
        _save(PROOF_FILE, json.dumps(asdict(proof)))


def read_proof() -> StorageProof | None:
    """The mark in the storage that this process sees, or None where there is none.

    Raises:
        StorageUnusableError: the storage can not be read.
    """
    text = _read(PROOF_FILE)
    if text is None:
        return None
    try:
        return StorageProof(**json.loads(text))
    except (ValueError, TypeError):
        return None


def round_trip(worker_name: str) -> None:
    """Write a file, write it again, read it back and delete it.

    Raises:
        StorageUnusableError: one of these did not work.
        StorageRenamesError: the second file did not replace the first.
    """
    # A worker's name may hold what no file name can.
    name = f"{WORKER_FOLDER}/{hashlib.sha256(worker_name.encode()).hexdigest()[:32]}.json"
    written = json.dumps({"worker": worker_name, "token": secrets.token_hex(16)})
    names = {_save(name, "{}")}
    try:
        names.add(_save(name, written))
        if names != {name}:
            raise StorageRenamesError
        if _read(name) != written:
            raise StorageUnusableError("a file that was just written could not be read back")
    finally:
        with _told():
            for saved_name in names:
                default_storage.delete(saved_name)


def _save(name: str, text: str) -> str:
    with _told():
        return str(default_storage.save(name, ContentFile(text.encode())))


def _read(name: str) -> str | None:
    with _told(), contextlib.suppress(FileNotFoundError), default_storage.open(name, "rb") as file:
        return bytes(file.read()).decode("utf-8", "replace")
    return None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Every storage backend has errors of its own; here they become one."""
    try:
        yield
    except Exception as error:
        logger.warning("storage: %s: %s", type(error).__name__, error)
        raise StorageUnusableError(_reason(error)) from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(reason).strip().splitlines()[0].rstrip(".")[:300]
