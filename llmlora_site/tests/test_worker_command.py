"""`llmlora worker` compares itself with the web server before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from llmlora_site.cli import worker
from llmlora_site.cli.console import CommandFailure
from llmlora_site.cli.preparation import announce
from llmlora_site.cli.worker import check_fits
from modelhub.models import Installation, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server has started with a storage of its own; a refusal is told at once."""
    settings.MEDIA_ROOT = tmp_path / "media"
    monkeypatch.setattr(worker, "FIT_SECONDS", 0)
    monkeypatch.setenv("LLMLORA_WORKER_NAME", "tower")
    announce()


def test_a_worker_with_the_same_folder_may_start() -> None:
    check_fits()
    assert not Worker.objects.exists(), "its own process makes the row"


def test_a_worker_with_another_folder_ends_with_the_sentence_and_stands_on_the_page(
    tmp_path: Path, settings: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path / "elsewhere"
    with pytest.raises(CommandFailure, match="sees another storage than the web server"):
        check_fits()
    row = Worker.objects.get(name="tower")
    assert (row.state, row.refusal_code) == ("refused", "no_storage_proof")
    assert row.host == socket.gethostname()


def test_a_second_try_bears_the_same_name(settings: Any) -> None:
    settings.VERSION = "9.9.9"
    for _try in range(2):
        with pytest.raises(CommandFailure, match=r"This worker is llmlora 9\.9\.9"):
            check_fits()
    assert Worker.objects.count() == 1


def test_a_web_server_without_a_storage_does_not_start(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "file").write_text("")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    Installation.objects.all().delete()
    with pytest.raises(CommandFailure, match="The storage .* can not be used"):
        announce()
    assert not Installation.objects.exists()
