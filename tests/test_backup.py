"""`llmlora backup` and `llmlora restore`: everything comes back, nothing is replaced, a bad archive is told as such."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from llmlora_site.cli.backup_archive import MANIFEST, Manifest, new_archive, verify
from llmlora_site.cli.console import CommandFailure
from tests.e2e.product import ROOT

MAKE_DATA = """
from llmlora_site.cli.preparation import prepare_data
from llmlora_site.home import Home
home = Home.from_environment()
home.create()
prepare_data(home)
from accounts.models import User
from datasets_app.services.creating import create_dataset
owner = User.objects.create_user("aiko", "aiko@example.org", "correct-horse-battery")
create_dataset(owner, name="Garden", records=[{"instruction": "Why?", "output": "Rain."}] * 3)
(home.local_models / "own").mkdir()
(home.local_models / "own" / "config.json").write_text("{}")
"""

READ_DATA = """
import json
from llmlora_site.cli.preparation import set_up_django
set_up_django()
from django.conf import settings
from django.core.files.storage import default_storage
from accounts.models import User
from datasets_app.models import DatasetVersion
[user] = User.objects.all()
[version] = DatasetVersion.objects.all()
print(json.dumps([
    user.username,
    user.check_password("correct-horse-battery"),
    settings.SECRET_KEY,
    version.digest,
    default_storage.open(version.file, "rb").read().decode(),
    sorted(path.name for path in settings.LLMLORA_HOME.local_models.rglob("*")),
]))
"""


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "LLMLORA_HOME": str(home),
        "LLMLORA_LANGUAGE": "en",
        "LLMLORA_SKIP_BUNDLED": "1",
    }


def python(home: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def llmlora(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmlora_site.cli", *map(str, arguments), "--home", str(home)],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a person, a dataset and a model."""
    home = tmp_path_factory.mktemp("source") / "home"
    python(home, MAKE_DATA)
    return home


@pytest.fixture(scope="module")
def archive(source: Path) -> Path:
    target = source.parent / "backup.tar"
    done = llmlora(source, "backup", target)
    assert done.returncode == 0, done.stderr
    assert "The backup is complete" in done.stdout
    return target


# --- there and back -------------------------------------------------------------------------------


def test_everything_comes_back(source: Path, archive: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = llmlora(new, "restore", archive)
    assert done.returncode == 0, done.stderr
    found = json.loads(python(new, READ_DATA))
    assert found == json.loads(python(source, READ_DATA))
    assert (found[0], found[1], found[5]) == ("aiko", True, ["config.json", "own"])
    assert stat.S_IMODE((new / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((new / "db.sqlite3").stat().st_mode) == 0o600


def test_the_archive_is_for_its_owner_alone_and_holds_no_passing_files(archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    manifest = verify(archive)
    assert {name.split("/")[0] for name in manifest.files} == {
        "database.sqlite3",
        "media",
        "models",
        "secret_key",
    }
    assert (manifest.database, manifest.active_jobs) == ("sqlite", 0)
    assert not any(path.name.startswith(".") for path in archive.parent.iterdir())


def test_models_can_be_left_out(source: Path, tmp_path: Path) -> None:
    done = llmlora(source, "backup", tmp_path / "small.tar", "--no-models")
    assert done.returncode == 0, done.stderr
    assert verify(tmp_path / "small.tar").of("models/") == []


# --- nothing is replaced --------------------------------------------------------------------------


def test_a_backup_replaces_no_file(source: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.tar"
    there.write_text("mine")
    done = llmlora(source, "backup", there)
    assert (done.returncode, there.read_text()) == (1, "mine")
    assert "exists already" in done.stderr


def test_a_restore_replaces_no_data(source: Path, archive: Path) -> None:
    before = (source / "db.sqlite3").read_bytes()
    done = llmlora(source, "restore", archive)
    assert done.returncode == 1
    assert "holds data already" in done.stderr
    assert (source / "db.sqlite3").read_bytes() == before


def test_without_data_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    done = llmlora(tmp_path / "nowhere", "backup", tmp_path / "empty.tar")
    assert done.returncode == 1
    assert "nothing to back up" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_is_told(source: Path, tmp_path: Path) -> None:
    done = llmlora(source, "backup", tmp_path / ("x" * 250 + ".tar"))
    assert done.returncode == 1
    assert "nothing of it stays" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(source: Path, tmp_path: Path) -> None:
    done = llmlora(source, "backup", tmp_path / "no" / "backup.tar")
    assert done.returncode == 1
    assert "There is no folder" in done.stderr


# --- bad archives ---------------------------------------------------------------------------------


def made_by_hand(target: Path, members: dict[str, bytes], **manifest: object) -> Path:
    """An archive whose members are as its manifest says, whatever they are."""
    with tarfile.open(target, "w") as tar:
        listed = {}
        for name, content in members.items():
            add(tar, name, content)
            listed[name] = [len(content), sha256(content).hexdigest()]
        values = {
            "format": 1,
            "version": "0.1.0",
            "created_at": "2026-11-28T00:00:00+00:00",
            "database": "sqlite",
            "migrations": [],
            "active_jobs": 0,
            "files": listed,
        }
        add(tar, MANIFEST, json.dumps(values | manifest).encode())
    return target


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    head = tarfile.TarInfo(name)
    head.size = len(content)
    tar.addfile(head, io.BytesIO(content))


def test_one_wrong_byte_is_found(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    with tarfile.open(archive) as tar:
        member = next(each for each in tar if each.name.startswith("media/datasets"))
    content[member.offset_data] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(content)
    done = llmlora(tmp_path / "new", "restore", damaged)
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_part_of_an_archive_is_none(archive: Path, tmp_path: Path, share: float) -> None:
    content = archive.read_bytes()
    part = tmp_path / "part.tar"
    part.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CommandFailure, match="not a whole backup|is damaged"):
        verify(part)


@pytest.mark.parametrize(
    "name", ["media/../../evil", "/etc/evil", "media//x", "evil", "models/..", "media/a\\b"]
)
def test_no_member_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandFailure, match="is damaged"):
        verify(made_by_hand(tmp_path / "evil.tar", {name: b"x"}))


def test_a_link_is_no_member(tmp_path: Path) -> None:
    target = tmp_path / "link.tar"
    with tarfile.open(target, "w") as tar:
        head = tarfile.TarInfo("media/link")
        head.type, head.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(head)
        files = {"media/link": [0, ""]}
        values = {"format": 1, "version": "", "created_at": "", "database": "sqlite"}
        rest = {"migrations": [], "active_jobs": 0, "files": files}
        add(tar, MANIFEST, json.dumps(values | rest).encode())
    with pytest.raises(CommandFailure, match="is damaged"):
        verify(target)


def test_what_the_manifest_does_not_name_is_not_taken(tmp_path: Path) -> None:
    target = made_by_hand(tmp_path / "more.tar", {"media/a": b"a"}, files={})
    with pytest.raises(CommandFailure, match="is damaged"):
        verify(target)


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    target = made_by_hand(tmp_path / "newer.tar", {}, format=2, version="9.0")
    with pytest.raises(CommandFailure, match=r"newer version of llmlora \(9.0\)"):
        verify(target)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The database is damaged"),
        ({"database": "postgresql"}, "holds a PostgreSQL database, and this installation uses"),
        ({"migrations": ["accounts.9999_later"]}, "made by a newer version"),
    ],
)
def test_a_restore_that_fails_leaves_nothing(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    files = {"database.sqlite3": b"no database" * 100, "secret_key": b"k" * 64, "media/a": b"a"}
    archive = made_by_hand(tmp_path / "bad.tar", files, **changes)
    done = llmlora(tmp_path / "new", "restore", archive)
    assert done.returncode == 1, done.stdout
    assert sentence in done.stderr
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == []


def test_an_archive_that_fails_leaves_nothing(tmp_path: Path) -> None:
    manifest = Manifest("0.1.0", "", "sqlite", [], 0)
    with pytest.raises(OSError), new_archive(tmp_path / "a.tar") as archive:  # noqa: PT012
        archive.add("media/short", io.BytesIO(b"x"), 10)
        archive.end(manifest)
    assert list(tmp_path.iterdir()) == []
