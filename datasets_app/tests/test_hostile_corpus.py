"""Hostile files over HTTP: a sentence with 4xx, soon, in little memory, and nothing is left of them."""

from __future__ import annotations

import gzip
import io
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import get_resolver

from accounts.models import User
from datasets_app.checking import check_file, limits
from datasets_app.execution import run_import
from datasets_app.intake.decoding import Encoding
from datasets_app.intake.pipeline import Order
from datasets_app.intake.source import CHUNK_BYTES, Source
from datasets_app.intake.text_stream import TextStream
from datasets_app.models import Dataset, DatasetImport, DatasetVersion
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import INSTRUCTION, json_lines
from datasets_app.tests.hostile.archives import gzip_bomb
from datasets_app.tests.hostile.cases import Hostile, accepted
from datasets_app.tests.hostile.corpus import CORPUS, TOPICS
from datasets_app.tests.hostile.csv import FORMULA_FILE, FORMULAS
from datasets_app.tests.hostile.names import HEADERS, NAMES
from datasets_app.tests.hostile.parquet import dictionary_file
from datasets_app.tests.hostile.told import code_of
from engine.catalog import SMOLLM2
from engine.data.token_count import token_counter
from engine.models.cache import find_prepared

pytestmark = pytest.mark.django_db
ADDRESS = "/api/datasets/upload"
BOUNDARY = b"hostile-boundary"
MOST_SECONDS = 4.0
"""Of a processor that others use as well; alone none takes two."""
MOST_GROWTH_BYTES = 64 * 1024 * 1024
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Body(io.RawIOBase):
    """A form with one file, read as it is sent: the file is never whole in memory."""

    def __init__(self, path: Path, disposition: bytes) -> None:
        head = b'Content-Disposition: form-data; name="file"; ' + disposition
        kind = b"Content-Type: application/octet-stream"
        self._head = b"\r\n".join([b"--" + BOUNDARY, head, kind, b"", b""])
        self._end = b"\r\n--" + BOUNDARY + b"--\r\n"
        self.size = len(self._head) + path.stat().st_size + len(self._end)
        self._pieces = self._read_pieces(path)
        self._rest = b""

    def _read_pieces(self, path: Path) -> Iterator[bytes]:
        yield self._head
        with path.open("rb") as stream:
            while piece := stream.read(64 * 1024):
                yield piece
        yield self._end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def send(client: Client, path: Path, disposition: bytes, address: str = ADDRESS) -> Any:
    body = Body(path, disposition)
    return client.generic(
        "POST",
        address,
        **{
            "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY.decode()}",
            "CONTENT_LENGTH": str(body.size),
            "wsgi.input": io.BufferedReader(body),
        },
    )


def named(file_name: bytes) -> bytes:
    return b'filename="' + file_name + b'"'


def peak_memory_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every case as a file, made by another process: what that costs is not what reading costs."""
    folder = tmp_path_factory.mktemp("hostile")
    module = "datasets_app.tests.hostile.corpus"
    subprocess.run([sys.executable, "-m", module, str(folder)], check=True, cwd=settings.BASE_DIR)
    return {name: folder / str(number) for number, name in enumerate(CORPUS)}


@pytest.fixture(scope="module")
def first_peak(files: dict[str, Path]) -> int:
    """Peak memory before any was sent."""
    # Whatever is asked first loads all addresses.
    _ = get_resolver().url_patterns
    base_model = find_prepared(settings.LLMLORA_HOME.model_cache, SMOLLM2)
    if base_model:
        # Whatever is saved first loads this, hostile or not.
        token_counter(base_model)
    return peak_memory_bytes()


@pytest.fixture(autouse=True)
def _own_folder_for_uploads(tmp_path: Path, settings: LazySettings) -> None:
    """Uploads on their way lie where nobody else's do."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path


@pytest.fixture
def client(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def left_behind() -> list[str]:
    """Whatever a refused file may not leave: files, scratch folders, uploads and rows."""
    found = [path for path in Path(default_storage.path("")).rglob("*") if path.is_file()]
    found += settings.LLMLORA_HOME.work.iterdir()
    found += Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*")
    rows = [
        f"{model.__name__} {row.pk}"
        for model in (Dataset, DatasetVersion, DatasetImport)
        for row in model.objects.all()
    ]
    return sorted(map(str, found)) + rows


def cpu_seconds() -> float:
    """Of this process and its children: what a file costs, however busy the host is."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("name", CORPUS)
def test_hostile_file(name: str, files: dict[str, Path], first_peak: int, client: Client) -> None:
    case = CORPUS[name]
    before = left_behind()
    started = cpu_seconds()
    response = send(client, files[name], named(case.file_name.encode()))
    seconds = cpu_seconds() - started
    if case.codes:
        assert_refused(response, case)
        assert left_behind() == before
    else:
        assert_accepted(response)
        client.delete(f"/api/datasets/{response.json()['id']}")
    assert seconds < MOST_SECONDS


def assert_refused(response: Any, case: Hostile) -> None:
    body = response.json()
    assert 400 <= response.status_code < 500, body
    faults = body["errors"]
    found = {code_of(fault["message"], case.codes) for fault in faults}
    assert found - {""} == set(case.codes)
    assert faults[0].get("line") == case.line
    for sentence in (body["message"], *(fault["message"] for fault in faults)):
        assert sentence.endswith((".", "?")), sentence
        assert "%(" not in sentence
        assert "\x00" not in sentence
        assert len(sentence) < 600


def assert_accepted(response: Any) -> None:
    assert response.status_code == 201, response.json()
    version = latest_version(Dataset.objects.get(pk=response.json()["id"]))
    assert version.example_count
    assert default_storage.exists(version.file)


def test_corpus_is_large() -> None:
    assert len(CORPUS) == sum(map(len, TOPICS.values())), "two cases have one name"
    assert len(CORPUS) + len(NAMES) + len(HEADERS) >= 150
    assert all(len(cases) >= 30 for cases in TOPICS.values())


def test_whole_corpus_costs_little_memory(
    files: dict[str, Path], first_peak: int, client: Client
) -> None:
    """Peaks only ever grow, so all the tests above count, and the largest file once more."""
    largest = max(files, key=lambda name: files[name].stat().st_size)
    send(client, files[largest], named(b"largest.jsonl"))
    assert peak_memory_bytes() - first_peak <= MOST_GROWTH_BYTES


@pytest.mark.parametrize(
    "disposition", [*map(named, NAMES.values()), *HEADERS.values()], ids=[*NAMES, *HEADERS]
)
def test_hostile_name(disposition: bytes, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(json_lines(INSTRUCTION))
    before = left_behind()
    response = send(client, path, disposition)
    if response.status_code != 201:
        assert 400 <= response.status_code < 500
        assert response.json()["message"].endswith(".")
        assert left_behind() == before
        return
    dataset = Dataset.objects.get()
    version = latest_version(dataset)
    assert version.file == f"datasets/{dataset.pk}/v1.jsonl"
    assert_harmless(dataset.name, 120)
    assert dataset.name
    assert_harmless(version.source_name, 200)
    assert not set("/\\") & set(version.source_name)
    page = client.get(f"/datasets/{dataset.pk}/")
    assert page.status_code == 200
    assert b"<img src=x" not in page.content
    download = client.get(f"/datasets/{dataset.pk}/download/")
    assert download.status_code == 200
    assert not set("\r\n\x00") & set(download["Content-Disposition"])


def assert_harmless(text: str, limit: int) -> None:
    assert len(text) <= limit
    assert text.replace("\u200d", "").isprintable()
    text.encode()


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPUS)
def test_hostile_file_on_the_pages(name: str, files: dict[str, Path], client: Client) -> None:
    """Pages in Japanese show what was found, and escape it; what was saved can be seen and downloaded."""
    client.cookies["django_language"] = "ja"
    response = send(client, files[name], named(CORPUS[name].file_name.encode()), "/datasets/new/")
    if response.status_code == 302:
        address = response["Location"]
        response = client.get(address)
        assert response.status_code == 200
        is_saved = "/imports/" not in address
        for tail in ("report/", "download/?format=csv", "download/?format=parquet"):
            if is_saved:
                assert client.get(f"{address}{tail}").status_code in (200, 302)
    else:
        assert response.status_code == 422
    assert not re.search(rb"<script>alert|<img src=x|%\(\w{2,}\)[sd]", response.content)


def test_cells_that_a_spreadsheet_would_run_come_out_escaped(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "formulas"
    FORMULA_FILE.write(path)
    response = send(client, path, named(b"data.csv"))
    address = f"/datasets/{response.json()['id']}/download/"
    rows = b"".join(client.get(address, {"format": "csv"}).streaming_content)
    for formula in FORMULAS:
        cell = formula.replace(b'"', b'""')
        assert b"\"'" + cell + b'"' in rows
        assert b'"' + cell + b'"' not in rows
    stored = b"".join(client.get(address).streaming_content).decode()
    assert r'"prompt":"=HYPERLINK(\"http://example.org?x=\"&A1)"' in stored


GZIP_BOMB = accepted("good lines", lambda: gzip_bomb(json_lines(INSTRUCTION) * 1000, 1000))
PARQUET_BOMB = accepted("one text in every row", dictionary_file(length=60_000, rows=5000))


@pytest.mark.parametrize(
    ("bomb", "limit", "code"),
    [(GZIP_BOMB, 2**30, "bomb"), (PARQUET_BOMB, 20 * 2**20, "too_large_unpacked")],
)
def test_a_bomb_of_good_records_is_refused_by_the_worker(
    bomb: Hostile,
    limit: int,
    code: str,
    client: Client,
    tmp_path: Path,
    settings: LazySettings,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    """Its beginning is in order, so only the whole of it shows what it is."""
    settings.MAX_UPLOAD_BYTES = limit
    path = tmp_path / "bomb"
    bomb.write(path)
    before = left_behind()
    response = send(client, path, named(b"data"))
    assert response.status_code == 202
    order = DatasetImport.objects.get()
    run_import(order.pk)
    order.refresh_from_db()
    assert order.state == DatasetImport.State.OPEN
    errors = [finding for finding in order.report["findings"] if finding["is_fatal"]]
    assert [finding["code"] for finding in errors] == [code]
    assert not Dataset.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        client.delete(f"/api/datasets/imports/{order.pk}")
    assert left_behind() == before


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(
    client: Client, tmp_path: Path, settings: LazySettings
) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000_000
    path = tmp_path / "bomb"
    GZIP_BOMB.write(path)
    before = left_behind()
    response = send(client, path, named(b"data.jsonl.gz"))
    assert response.status_code == 422
    (fault,) = response.json()["errors"]
    assert code_of(fault["message"], ("too_large_unpacked",)) == "too_large_unpacked"
    assert left_behind() == before


@pytest.mark.parametrize(
    ("content", "is_in_place"),
    [
        (json_lines(INSTRUCTION) * 100, True),
        (b"prompt,completion\n" + b"a,b\n" * 60_000, False),
        (b"[" + b"1," * 100_000 + b"1]", False),
        (b'[{"text":"a"}' + b',{"text":"b"}' * 10_000 + b"]", False),
        (b"x" * 300_000, False),
        (gzip.compress(json_lines(INSTRUCTION)), False),
    ],
    ids=["few records", "many rows", "many items", "many objects", "many bytes", "packed"],
)
def test_only_what_is_read_at_once_is_read_in_the_web_process(
    content: bytes, is_in_place: bool, tmp_path: Path
) -> None:
    path = tmp_path / "content"
    path.write_bytes(content)
    check_file(path, tmp_path / "draft", Order(limits()))
    # It is written for the process that reads.
    assert (tmp_path / "order.json").exists() is not is_in_place


def test_white_space_in_front_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b" \n" * 3_000_000 + b'{"text": "word"}\n')
    source = Source(path, limits())
    stream = TextStream(source, Encoding("utf-8", "utf-8"), limits())
    assert stream.head.strip() == '{"text": "word"}'
    assert len(stream.head) <= CHUNK_BYTES
