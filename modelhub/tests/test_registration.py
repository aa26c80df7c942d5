"""A worker works only where version, storage and clock are the web server's; else it says why, and waits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from modelhub import registration
from modelhub.installation import announce_installation
from modelhub.lifecycle import report_worker
from modelhub.models import Installation, Worker
from modelhub.pausing import pause_workers, resume_workers
from modelhub.registration import (
    ADMITTED_RECHECK_SECONDS,
    REFUSED_RECHECK_SECONDS,
    Registration,
    check_clock,
    check_fit,
    clock_skew_seconds,
    may_claim,
    quickest_reading,
)
from modelhub.sentences import refusal_sentence
from modelhub.storage_proof import PROOF_FILE, WORKER_FOLDER

pytestmark = pytest.mark.django_db
RENAMING_STORAGE = "django.core.files.storage.FileSystemStorage"
"""As an object store that never overwrites: a second file gets a name of its own."""


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of this test alone, with the web server's mark among them."""
    monkeypatch.setattr(registration, "_may_claim", True)
    settings.MEDIA_ROOT = tmp_path / "media"
    announce_installation()
    return tmp_path / "media"


@pytest.fixture
def clock() -> Iterator[Clock]:
    return Clock()


def mark() -> dict[str, str]:
    return dict(json.loads(default_storage.open(PROOF_FILE).read()))


def refused_code() -> str:
    refusal = check_fit("tower")
    assert refusal is not None
    sentence = refusal_sentence(refusal.code, refusal.params)
    assert sentence.endswith(".")
    assert "%(" not in sentence
    assert "?" not in sentence
    assert sentence != refusal_sentence("unheard of", {})
    return refusal.code


# --- what the web server says of itself ----------------------------------------------------------


def test_a_second_start_changes_nothing(media: Path) -> None:
    before = (mark(), (media / PROOF_FILE).stat().st_mtime_ns)
    announce_installation()
    assert (mark(), (media / PROOF_FILE).stat().st_mtime_ns) == before
    assert Installation.objects.get().storage_nonce == before[0]["nonce"]


def test_a_new_version_is_told_with_the_same_mark(settings: Any) -> None:
    nonce = mark()["nonce"]
    settings.VERSION = "9.9.9"
    announce_installation()
    assert Installation.objects.get().version == "9.9.9"
    assert (mark()["nonce"], mark()["version"]) == (nonce, "9.9.9")


def test_a_web_server_that_moves_its_storage_tells_it_from_the_one_of_before(
    tmp_path: Path, media: Path, settings: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path / "moved"
    announce_installation()
    assert check_fit("tower") is None
    settings.MEDIA_ROOT = media
    assert refused_code() == "other_storage"


# --- the checks --------------------------------------------------------------------------------------


def test_a_worker_that_fits_leaves_nothing_behind() -> None:
    report_worker("tower", Worker.State.STARTING)
    assert check_fit("tower") is None
    assert default_storage.listdir(WORKER_FOLDER) == ([], [])
    assert abs(Worker.objects.get().clock_skew_seconds) < 1


def test_a_name_that_no_file_can_bear_is_no_reason() -> None:
    assert check_fit("../" + "長い名前/" * 30) is None


def test_without_a_web_server_there_is_nothing_to_work_for() -> None:
    Installation.objects.all().delete()
    assert refused_code() == "no_installation"


def test_another_version_is_refused_with_both(settings: Any) -> None:
    settings.VERSION = "9.9.9"
    assert refused_code() == "other_version"
    refusal = check_fit("tower")
    assert refusal is not None
    assert "9.9.9" in refusal_sentence(refusal.code, refusal.params)
    assert Installation.objects.get().version in refusal_sentence(refusal.code, refusal.params)


def test_a_storage_without_the_mark_is_another_one(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "elsewhere"
    assert refused_code() == "no_storage_proof"
    refusal = check_fit("tower")
    assert refusal is not None
    assert str(tmp_path / "elsewhere") in refusal_sentence(refusal.code, refusal.params)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"nonce": "0", "version": "0.1.0", "host": "x"}', "other_storage"),
        (b"[]", "no_storage_proof"),
        (b"\xff", "no_storage_proof"),
    ],
)
def test_the_mark_of_another_installation_is_not_ours(content: bytes, code: str) -> None:
    default_storage.save(PROOF_FILE, ContentFile(content))
    assert refused_code() == code


def test_a_storage_that_can_not_be_written_says_why(media: Path) -> None:
    (media / WORKER_FOLDER).write_text("a file where a folder should be")
    refusal = check_fit("tower")
    assert refusal is not None
    assert refusal.code == "storage_unusable"
    assert refusal.params["reason"] in refusal_sentence(refusal.code, refusal.params)


def test_a_storage_that_renames_is_refused(settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": RENAMING_STORAGE}}
    assert refused_code() == "storage_renames"
    assert default_storage.listdir(WORKER_FOLDER) == ([], [])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")
def test_a_sqlite_file_named_by_the_environment_belongs_to_one_host(settings: Any) -> None:
    settings.DATABASE_URL = "sqlite:////mnt/net/db.sqlite3"
    assert check_fit("tower") is None
    other_host = mark() | {"host": "web-host"}
    default_storage.save(PROOF_FILE, ContentFile(json.dumps(other_host).encode()))
    assert refused_code() == "sqlite_elsewhere"


# --- the clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [5.0, -5.0, 0.0])
def test_a_small_difference_of_clocks_does_not_matter(seconds: float) -> None:
    assert check_clock(seconds) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(12.3, "12 seconds ahead of"), (-90.0, "90 seconds behind")]
)
def test_a_large_one_is_told_in_seconds_and_direction(seconds: float, words: str) -> None:
    refusal = check_clock(seconds)
    assert refusal is not None
    assert words in refusal_sentence(refusal.code, refusal.params)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has the clock of its host")
def test_the_clock_is_compared_with_the_database_servers() -> None:
    assert abs(clock_skew_seconds()) < 1
    assert clock_skew_seconds(lambda: time.time() + 20) == pytest.approx(20, abs=1)


def test_half_of_the_way_there_and_back_is_taken_off_the_shortest_one(clock: Clock) -> None:
    trips = iter([(3.0, 1.0), (0.1, 0.1), (5.0, 0.0)])

    def read_other() -> float:
        there, back = next(trips)
        clock.now += there
        other = clock.now - 20
        clock.now += back
        return other

    assert quickest_reading(read_other, clock) == pytest.approx(20)


# --- a worker's standing -----------------------------------------------------------------------------


def test_a_refused_worker_shows_why_and_starts_to_work_when_mended(
    settings: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    version, settings.VERSION = settings.VERSION, "9.9.9"
    standing = Registration("tower", clock)
    assert not standing.is_admitted()
    assert not may_claim()
    row = Worker.objects.get(name="tower")
    assert (row.state, row.refusal_code) == ("refused", "other_version")

    settings.VERSION = version
    assert not standing.is_admitted(), "not asked again at once"
    row.refresh_from_db()
    assert row.heartbeat_count == 2, "but it goes on to say that it lives"
    clock.now += REFUSED_RECHECK_SECONDS
    assert standing.is_admitted()
    assert may_claim()
    report_worker("tower", Worker.State.READY)
    row.refresh_from_db()
    assert (row.state, row.refusal_code) == ("ready", "")
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_a_worker_that_fitted_is_looked_at_again(settings: Any, clock: Clock) -> None:
    standing = Registration("tower", clock)
    assert standing.is_admitted()
    settings.VERSION = "9.9.9"
    assert standing.is_admitted()
    clock.now += ADMITTED_RECHECK_SECONDS
    assert not standing.is_admitted()
    assert not may_claim()


def test_a_paused_worker_is_admitted_and_claims_nothing(clock: Clock) -> None:
    report_worker("tower", Worker.State.READY)
    row = Worker.objects.get()
    assert pause_workers([row.pk]) == 1
    assert pause_workers([row.pk]) == 0
    standing = Registration("tower", clock)
    assert standing.is_admitted()
    assert not may_claim()
    assert resume_workers([row.pk]) == 1
    assert standing.is_admitted()
    assert may_claim()


def test_between_two_checks_a_round_costs_one_query(
    clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    standing = Registration("tower", clock)
    standing.is_admitted()
    with django_assert_num_queries(1):
        standing.is_admitted()
