"""Downloads: every format, of every version, streamed, always to be saved, and written down."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.test import AsyncClient, Client
from django.urls import reverse

from accounts.models import User
from datasets_app.models import Dataset, DatasetEvent
from datasets_app.selectors import latest_version
from datasets_app.services.editing import add_row
from datasets_app.tests.classroom import course_audience, share
from datasets_app.tests.factories import CHAT, INSTRUCTION, json_lines, make_dataset
from datasets_app.versions.downloads import DownloadResponse, version_response

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def address(dataset: Dataset) -> str:
    return reverse("datasets:dataset_download", args=[dataset.pk])


def read_stored(dataset: Dataset) -> bytes:
    with default_storage.open(latest_version(dataset).file, "rb") as stream:
        return stream.read()


def test_json_lines_are_the_stored_file(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, name='Quote " 庭')
    response = signed_in.get(address(dataset))
    assert response.getvalue() == read_stored(dataset)
    assert response["Content-Length"] == str(latest_version(dataset).size_bytes)


@pytest.mark.parametrize("export_format", ["jsonl", "csv", "parquet"])
def test_every_format_is_an_attachment_and_written_down(
    export_format: str, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, name="Garden", records=[INSTRUCTION] * 3)
    response = signed_in.get(address(dataset), {"format": export_format})
    assert response.streaming
    assert response.getvalue()
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == f'attachment; filename="Garden-v1.{export_format}"'
    event = DatasetEvent.objects.get()
    assert (event.action, event.actor) == (DatasetEvent.Action.EXPORTED, student)
    assert (event.dataset_id, event.dataset_name) == (dataset.pk, "Garden")
    assert event.details == {"format": export_format, "version": 1}


def test_csv_runs_no_formula(signed_in: Client, student: User) -> None:
    record = {"instruction": "=HYPERLINK(1)", "output": " ＝1"}
    content = signed_in.get(
        address(make_dataset(student, records=[record])), {"format": "csv"}
    ).getvalue()
    assert content.decode("utf-8-sig").splitlines() == [
        '"instruction","output"',
        '"\'=HYPERLINK(1)","\' ＝1"',
    ]


def test_chats_are_tables_too(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT])
    csv_file = signed_in.get(address(dataset), {"format": "csv"}).getvalue().decode("utf-8-sig")
    assert csv_file.startswith('"messages"\r\n"[{""role"": ""user""')
    parquet = signed_in.get(address(dataset), {"format": "parquet"}).getvalue()
    assert pq.read_table(io.BytesIO(parquet)).to_pylist() == [CHAT]


def test_an_older_version_is_downloaded(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    add_row(student, dataset, INSTRUCTION | {"output": "More."}, 1)
    old = signed_in.get(address(dataset), {"version": "1"})
    assert old.getvalue() == json_lines(INSTRUCTION).replace(b'": "', b'":"').replace(
        b'", "', b'","'
    )
    assert old["Content-Disposition"] == 'attachment; filename="Garden-v1.jsonl"'
    assert DatasetEvent.objects.get().details["version"] == 1


@pytest.mark.parametrize(
    "query", [{"format": "xlsx"}, {"format": ""}, {"version": "2"}, {"version": "x"}]
)
def test_what_is_not_there_is_not_found(
    query: dict[str, str], signed_in: Client, student: User
) -> None:
    assert signed_in.get(address(make_dataset(student)), query).status_code == 404
    assert not DatasetEvent.objects.exists()


@pytest.mark.parametrize("export_format", ["jsonl", "csv", "parquet"])
def test_a_lost_file_is_not_found(export_format: str, signed_in: Client, student: User) -> None:
    dataset = make_dataset(student)
    default_storage.delete(latest_version(dataset).file)
    response = signed_in.get(address(dataset), {"format": export_format})
    assert response.status_code == 404
    assert not DatasetEvent.objects.exists()


def test_a_look_at_the_headers_is_no_download(signed_in: Client, student: User) -> None:
    assert signed_in.head(address(make_dataset(student))).status_code == 200
    assert not DatasetEvent.objects.exists()


def test_who_may_read_may_download(
    signed_in: Client, client: Client, instructor: User, other_student: User
) -> None:
    shared = share(make_dataset(instructor), course_audience())
    assert signed_in.get(address(shared)).status_code == 200
    assert signed_in.get(address(make_dataset(other_student))).status_code == 404
    assert client.get(address(shared))["Location"].startswith(reverse("account_login"))
    exported = DatasetEvent.objects.filter(action=DatasetEvent.Action.EXPORTED)
    assert exported.count() == 1


def test_too_many_fields_are_told_in_words(signed_in: Client, student: User) -> None:
    record = INSTRUCTION | {f"field {number}": "x" for number in range(300)}
    dataset = make_dataset(student, records=[record])
    response = signed_in.get(address(dataset), {"format": "csv"}, follow=True)
    assert "Download them as JSONL" in response.content.decode()


def test_a_full_disk_is_told_in_words(
    signed_in: Client, student: User, settings: LazySettings
) -> None:
    dataset = make_dataset(student)
    settings.MIN_FREE_DISK_BYTES = 2**62
    response = signed_in.get(address(dataset), {"format": "parquet"}, follow=True)
    assert "nearly full" in response.content.decode()


def test_no_scratch_file_stays(student: User, settings: LazySettings) -> None:
    response = version_response(latest_version(make_dataset(student)), "parquet")
    response.getvalue()
    response.close()
    assert not list(settings.LLMLORA_HOME.work.glob("export-*"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("export_format", ["jsonl", "csv", "parquet"])
async def test_the_event_loop_is_given_every_piece(export_format: str, student: User) -> None:
    """As under daphne: pieces come one after another, and no warning says that all were held in memory."""
    from asgiref.sync import sync_to_async

    records = [INSTRUCTION | {"output": f"Answer {number}. " + "x" * 900} for number in range(300)]
    dataset = await sync_to_async(make_dataset)(student, records=records)
    browser = AsyncClient()
    await sync_to_async(browser.force_login)(
        student, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    response = await browser.get(address(dataset), {"format": export_format})
    pieces = [piece async for piece in response]
    version = await sync_to_async(latest_version)(dataset)
    expected = await sync_to_async(lambda: version_response(version, export_format).getvalue())()
    assert b"".join(pieces) == expected
    if export_format == "csv":
        assert len(pieces) > 3


async def test_pieces_are_read_outside_the_event_loop() -> None:
    import threading

    def pieces():
        for _ in range(3):
            yield threading.current_thread().name.encode()

    names = [name async for name in DownloadResponse(pieces(), "names.txt")]
    assert len(names) == 3
    assert threading.current_thread().name.encode() not in names
