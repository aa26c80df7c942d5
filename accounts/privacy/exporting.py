"""Write what is kept about a person into one archive, and keep it for a week."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import get_language, override

from accounts.models import DataRequest, User
from accounts.notifications import notify
from common.personal_data import Content, Row, StoredFile, parts
from common.storage import CHUNK_BYTES, raise_if_full, save_file
from common.strict_json import without_non_finite

FOLDER = "exports"
KEPT_FOR = timedelta(days=7)
DATA_PATH = "/settings/data/"
"""Written out, because resolving addresses would load every page into the worker."""
PACKED_ALREADY = (".safetensors", ".zip", ".parquet", ".gz")


def export_person(request: DataRequest, language: str = "") -> None:
    """
    Args:
        language: of the archive, where the person has chosen none.

    Raises:
        DiskFullError: no room for the archive.
    """
    person = request.person
    assert person is not None
    name = f"{FOLDER}/{request.pk}.zip"
    with _scratch_file() as path:
        with override(person.language or language or settings.LANGUAGE_CODE):
            write_archive(person, path)
        save_file(name, path)
    with transaction.atomic():
        finished = DataRequest.objects.filter(pk=request.pk, state=DataRequest.State.RUNNING)
        if finished.update(state=DataRequest.State.DONE, path=name, finished_at=timezone.now()):
            notify(person.pk, kind="data_ready", subject=str(request.pk), params={}, path=DATA_PATH)
        else:
            # The person was erased meanwhile.
            transaction.on_commit(lambda: default_storage.delete(name), robust=True)
    # One archive for each person: each may be as large as all their adapters.
    _remove(DataRequest.objects.filter(person=person).exclude(pk=request.pk))


def remove_old_exports() -> int:
    """Delete archives that were kept long enough; returns how many. Twice does no more than once."""
    return _remove(DataRequest.objects.filter(finished_at__lt=timezone.now() - KEPT_FOR))


def _remove(requests: QuerySet[DataRequest]) -> int:
    removed = 0
    for pk, path in requests.exclude(path="").values_list("pk", "path"):
        default_storage.delete(path)
        removed += DataRequest.objects.filter(pk=pk, path=path).update(path="")
    return removed


# --- the archive ------------------------------------------------------------------------------------


def write_archive(person: User, path: Path) -> None:
    """In the active language: a folder for each kind of thing, and manifest.json, which says what each file is."""
    described = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts():
            names = []
            for name, content in part.collect(person):
                if _write(archive, name, content):
                    names.append(name)
            described.append({"part": part.key, "what": str(part.describe), "files": names})
        manifest = {
            "user_name": person.username,
            "made_at": timezone.now(),
            "language": get_language(),
            "contents": described,
        }
        archive.writestr("manifest.json", _text(manifest, indent=1))


def _write(archive: zipfile.ZipFile, name: str, content: Content) -> bool:
    """Whether there was anything to write: a file may have gone meanwhile."""
    entry = zipfile.ZipInfo(name, timezone.localtime().timetuple()[:6])
    is_packed = name.endswith(PACKED_ALREADY)
    entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
    if isinstance(content, StoredFile):
        try:
            source = default_storage.open(content.name, "rb")
        except FileNotFoundError:
            return False
        with source, archive.open(entry, "w", force_zip64=True) as target:
            copyfileobj(source, target, CHUNK_BYTES)
        return True
    with archive.open(entry, "w", force_zip64=True) as target:
        if isinstance(content, bytes):
            target.write(content)
        else:
            _write_rows(target, content)
    return True


def _write_rows(target: IO[bytes], rows: Iterable[Row]) -> None:
    """A JSON list with a row on each line; only one is in memory."""
    target.write(b"[")
    separator = "\n"
    for row in rows:
        target.write(separator.encode() + _text(row))
        separator = ",\n"
    target.write(b"\n]\n")


def _text(value: Any, indent: int | None = None) -> bytes:
    text = json.dumps(
        without_non_finite(value),
        cls=DjangoJSONEncoder,
        ensure_ascii=False,
        allow_nan=False,
        indent=indent,
    )
    return text.encode("utf-8", "replace")


@contextmanager
def _scratch_file() -> Iterator[Path]:
    """A path on this disk; it is gone afterwards, whatever happens."""
    folder = settings.LLMLORA_HOME.work
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="export-") as scratch:
            yield Path(scratch) / "data.zip"
    except OSError as error:
        raise_if_full(error)
        raise
