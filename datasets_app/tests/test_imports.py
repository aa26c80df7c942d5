"""A file that can not become a dataset at once is kept, decided on, read by a worker, or discarded; nothing is lost."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from common.errors import ConflictError, InvalidInputError
from datasets_app.execution import run_import, sweep_imports, waiting_imports
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.models import Dataset, DatasetImport
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.bringing import bring_file
from datasets_app.services.deciding import decide, discard
from datasets_app.storing import import_prefix
from datasets_app.tests.factories import INSTRUCTION, json_lines, make_dataset, stored_files

pytestmark = pytest.mark.django_db
NEW = reverse("datasets:dataset_new")
FRONT_BACK = b"front,back,page\nWho waters it?,Class 2B.,1\nWhen?,On Monday.,2\n"
MAPPING = {"shape": "instruction", "instruction-instruction": "front", "instruction-output": "back"}


def bring(
    owner: User, content: bytes, name: str = "cards.csv", **options: Any
) -> Dataset | DatasetImport:
    file = SimpleUploadedFile(name, content)
    return bring_file(owner, file=file, keeps_draft=True, **options)


def kept(owner: User, content: bytes, name: str = "cards.csv") -> DatasetImport:
    made = bring(owner, content, name)
    assert isinstance(made, DatasetImport)
    return made


def page_of(order: DatasetImport) -> str:
    return reverse("datasets:dataset_import", args=[order.pk])


def kept_files() -> list[str]:
    return default_storage.listdir("imports")[0] if default_storage.exists("imports") else []


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


@pytest.fixture
def _small_request(settings: LazySettings) -> None:
    """Files are left to a worker from a hundred kilobytes on."""
    settings.REQUEST_CHECK_BYTES = 100_000


def large_file(count: int = 3000, extra: bytes = b"") -> bytes:
    records = [INSTRUCTION | {"output": f"Class {number} waters it."} for number in range(count)]
    return json_lines(*records) + extra


# --- choosing columns -----------------------------------------------------------------------------


def test_unknown_columns_lead_to_a_choice_and_then_to_a_dataset(
    signed_in: Client, django_capture_on_commit_callbacks: Any
) -> None:
    answer = signed_in.post(NEW, {"file": SimpleUploadedFile("cards.csv", FRONT_BACK)})
    order = DatasetImport.objects.get()
    assert answer["Location"] == page_of(order)
    page = signed_in.get(page_of(order)).content.decode()
    assert "names the columns “front, back, page”" in page
    assert "Who waters it?" in page
    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in.post(page_of(order), {"action": "map", **MAPPING})
    dataset = Dataset.objects.get()
    assert answer["Location"] == reverse("datasets:dataset_detail", args=[dataset.pk])
    version = latest_version(dataset)
    assert read_records(version, limit=9) == [
        {"instruction": "Who waters it?", "output": "Class 2B."},
        {"instruction": "When?", "output": "On Monday."},
    ]
    assert version.source_mapping["columns"] == {"instruction": "front", "output": "back"}
    assert [issue["code"] for issue in version.issues] == ["ignored_columns"]
    assert not default_storage.exists(f"{import_prefix(order.pk)}/raw")


def test_a_choice_is_remembered_for_the_same_columns_of_the_same_person(
    signed_in: Client, student: User, other_student: User
) -> None:
    order = kept(student, FRONT_BACK)
    signed_in.post(page_of(order), {"action": "map", **MAPPING})
    again = bring(student, b"Page;Back;Front\n9;Nobody.;Who else?\n")
    assert isinstance(again, Dataset)
    assert read_records(latest_version(again), limit=1) == [
        {"instruction": "Who else?", "output": "Nobody."}
    ]
    assert isinstance(bring(other_student, FRONT_BACK), DatasetImport)


def test_that_a_choice_was_remembered_is_told_and_can_be_made_anew(
    signed_in: Client, student: User
) -> None:
    signed_in.post(page_of(kept(student, FRONT_BACK)), {"action": "map", **MAPPING})
    again = bring(student, FRONT_BACK)
    assert isinstance(again, Dataset)
    assert "remembered_columns" in {issue["code"] for issue in latest_version(again).issues}
    file = SimpleUploadedFile("cards.csv", FRONT_BACK)
    answer = signed_in.post(NEW, {"file": file, "asks_columns": "on"})
    order = DatasetImport.objects.get(state=DatasetImport.State.OPEN)
    assert answer["Location"] == page_of(order)
    swapped = MAPPING | {"instruction-instruction": "back", "instruction-output": "front"}
    signed_in.post(page_of(order), {"action": "map", **swapped})
    newest = Dataset.objects.first()
    assert newest is not None
    (first, _second) = read_records(latest_version(newest), limit=9)
    assert first == {"instruction": "Class 2B.", "output": "Who waters it?"}


def test_columns_that_are_known_by_name_can_be_chosen_all_the_same(
    signed_in: Client, student: User
) -> None:
    text = "instruction,output,note\nWho?,Class 2B.,Nobody else.\n"
    signed_in.post(f"{NEW}?source=paste", {"name": "Notes", "text": text, "asks_columns": "on"})
    order = DatasetImport.objects.get()
    page = signed_in.get(page_of(order)).content.decode()
    assert "Which column is what?" in page
    assert not Dataset.objects.exists()
    chosen = MAPPING | {"instruction-instruction": "instruction", "instruction-output": "note"}
    signed_in.post(page_of(order), {"action": "map", **chosen})
    assert read_records(latest_version(Dataset.objects.get()), limit=2) == [
        {"instruction": "Who?", "output": "Nobody else."}
    ]


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"shape": "instruction", "instruction-instruction": "front"}, "Choose the column"),
        (MAPPING | {"instruction-output": "front"}, "chosen twice"),
        (MAPPING | {"instruction-output": "elsewhere"}, "elsewhere"),
        ({"shape": "poem"}, "poem"),
        ({}, "required"),
    ],
)
def test_a_bad_choice_is_told_in_the_form(
    choice: dict[str, str], sentence: str, signed_in: Client, student: User
) -> None:
    order = kept(student, FRONT_BACK)
    answer = signed_in.post(page_of(order), {"action": "map", **choice})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Dataset.objects.exists()


def test_text_and_chat_columns_can_be_chosen(student: User) -> None:
    order = kept(student, b"note\nEvery spring they plant a tree.\n", "notes.csv")
    made = decide(order, mapping=ColumnMapping("text", {"text": "note"}), skips_rejected=False)
    assert isinstance(made, Dataset)
    assert made.type == "completion"
    talk = [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]
    order = kept(student, json_lines({"talk": talk}), "talk.jsonl")
    made = decide(order, mapping=ColumnMapping("chat", {"messages": "talk"}), skips_rejected=False)
    assert isinstance(made, Dataset)
    (record,) = read_records(latest_version(made), limit=2)
    assert [message["role"] for message in record["messages"]] == ["user", "assistant"]


# --- leaving rows out -----------------------------------------------------------------------------


def test_rows_with_faults_can_be_left_out(signed_in: Client, student: User) -> None:
    order = kept(student, json_lines(INSTRUCTION, {"instruction": "Why?"}, 3), "a.jsonl")
    page = signed_in.get(page_of(order)).content.decode()
    assert "Not usable as it is" in page
    assert "The field “output” is missing" in page
    signed_in.post(page_of(order), {"action": "skip"})
    version = latest_version(Dataset.objects.get())
    assert (version.example_count, version.rejected_count) == (1, 2)
    assert {issue["code"] for issue in version.issues} == {"missing_field", "not_object"}
    report = signed_in.get(
        reverse("datasets:dataset_report", args=[version.dataset_id])
    ).content.decode()
    assert "Ready, but…" in report
    assert "2 rows were left out" in report


def test_a_program_gets_the_faults_and_no_import(student: User) -> None:
    file = SimpleUploadedFile("a.jsonl", json_lines(INSTRUCTION, 3))
    with pytest.raises(InvalidInputError):
        bring_file(student, file=file)
    assert not DatasetImport.objects.exists()


def test_a_file_of_which_nothing_can_be_used_is_not_kept(student: User) -> None:
    before = kept_files()
    pair = json_lines({"chosen": "a", "rejected": "b"})
    for content in (b"", b"PK\x03\x04", b'[{"text": "cut', pair):
        with pytest.raises(InvalidInputError):
            bring(student, content, "a.json")
    assert not DatasetImport.objects.exists()
    assert kept_files() == before


# --- large files ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_small_request")
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_large_file_is_read_by_a_worker(
    pack: Callable[[bytes], bytes], student: User, signed_in: Client
) -> None:
    order = kept(student, pack(large_file()), "big.jsonl")
    assert order.state == DatasetImport.State.CHECKING
    assert "Waiting for a worker." in signed_in.get(page_of(order)).content.decode()
    run_import(order.pk)
    order.refresh_from_db()
    assert order.state == DatasetImport.State.DONE
    assert order.result is not None
    assert latest_version(order.result).example_count == 3000
    answer = signed_in.get(page_of(order))
    assert answer["Location"] == reverse("datasets:dataset_detail", args=[order.result.pk])


@pytest.mark.usefixtures("_small_request")
def test_the_page_asks_while_it_is_read_and_is_loaded_anew_at_the_end(
    student: User, signed_in: Client
) -> None:
    order = kept(student, large_file(), "big.jsonl")
    status = reverse("datasets:import_status", args=[order.pk])
    DatasetImport.objects.filter(pk=order.pk).update(
        done_rows=1200, done_bytes=order.size_bytes // 2, heartbeat_at=timezone.now()
    )
    fragment = signed_in.get(status).content.decode()
    assert "1,200 rows are checked" in fragment
    assert 'value="49"' in fragment or 'value="50"' in fragment
    DatasetImport.objects.filter(pk=order.pk).update(heartbeat_at=None)
    run_import(order.pk)
    answer = signed_in.get(status)
    assert (answer.status_code, answer["HX-Refresh"]) == (286, "true")


@pytest.mark.usefixtures("_small_request")
def test_a_fault_deep_in_a_large_file_waits_for_a_decision(student: User) -> None:
    order = kept(student, large_file(extra=b'{"instruction": "Why?"}\n'), "big.jsonl")
    run_import(order.pk)
    order.refresh_from_db()
    assert order.state == DatasetImport.State.OPEN
    assert order.report["rows_read"] == 3001
    assert order.report["findings"][0]["lines"] == [3001]
    made = decide(order, mapping=None, skips_rejected=True)
    assert isinstance(made, DatasetImport)
    run_import(order.pk)
    assert latest_version(Dataset.objects.get()).example_count == 3000


@pytest.mark.usefixtures("_small_request")
def test_a_fault_at_the_beginning_of_a_large_file_is_told_at_once(student: User) -> None:
    order = kept(student, b"3\n" + large_file(), "big.jsonl")
    assert order.state == DatasetImport.State.OPEN
    assert order.report["is_partial"]


@pytest.mark.usefixtures("_small_request")
def test_two_workers_make_one_dataset(student: User) -> None:
    order = kept(student, large_file(), "big.jsonl")
    assert waiting_imports() == []
    DatasetImport.objects.update(created_at=timezone.now() - timedelta(seconds=9))
    assert waiting_imports() == [order.pk]
    run_import(order.pk)
    run_import(order.pk)
    assert Dataset.objects.count() == 1
    assert waiting_imports() == []


@pytest.mark.usefixtures("_small_request")
def test_an_import_whose_worker_is_lost_is_taken_again_three_times(student: User) -> None:
    order = kept(student, large_file(), "big.jsonl")
    lost = timezone.now() - timedelta(minutes=5)
    DatasetImport.objects.update(heartbeat_at=lost, created_at=lost, attempts=2)
    assert waiting_imports() == [order.pk]
    DatasetImport.objects.update(attempts=3)
    run_import(order.pk)
    order.refresh_from_db()
    assert order.state == DatasetImport.State.FAILED
    assert not Dataset.objects.exists()


@pytest.mark.usefixtures("_small_request")
def test_a_worker_tells_a_failure_in_a_sentence(student: User, signed_in: Client) -> None:
    order = kept(student, large_file(), "big.jsonl")
    default_storage.delete(order.raw_file)
    run_import(order.pk)
    order.refresh_from_db()
    assert order.state == DatasetImport.State.FAILED
    page = signed_in.get(page_of(order)).content.decode()
    assert "Upload it again." in page
    assert 'value="retry"' in page


@pytest.mark.usefixtures("_small_request")
def test_a_failed_import_can_be_tried_again(student: User, signed_in: Client) -> None:
    order = kept(student, large_file(), "big.jsonl")
    DatasetImport.objects.update(state=DatasetImport.State.FAILED, error={"code": "attempts"})
    signed_in.post(page_of(order), {"action": "retry"})
    order.refresh_from_db()
    assert (order.state, order.attempts) == (DatasetImport.State.CHECKING, 0)
    run_import(order.pk)
    assert latest_version(Dataset.objects.get()).example_count == 3000


def test_a_failure_while_the_person_waits_is_told_and_can_be_tried_again(
    student: User, signed_in: Client
) -> None:
    order = kept(student, FRONT_BACK)
    default_storage.delete(order.raw_file)
    answer = signed_in.post(page_of(order), {"action": "map", **MAPPING})
    assert answer.status_code == 503
    assert "Upload it again." in answer.content.decode()
    order.refresh_from_db()
    assert order.state == DatasetImport.State.FAILED
    assert not Dataset.objects.exists()


@pytest.mark.usefixtures("_small_request")
def test_an_import_that_is_discarded_at_the_last_moment_leaves_no_dataset(student: User) -> None:
    order = kept(student, large_file(), "big.jsonl")
    before = stored_files()

    def discard_now(**_kwargs: object) -> None:
        DatasetImport.objects.all().delete()

    pre_save.connect(discard_now, sender=Dataset)
    try:
        run_import(order.pk)
    finally:
        pre_save.disconnect(discard_now, sender=Dataset)
    assert not Dataset.objects.exists()
    assert stored_files() == before


def test_what_is_being_checked_is_not_decided_a_second_time(
    student: User, signed_in: Client
) -> None:
    order = kept(student, FRONT_BACK)
    DatasetImport.objects.update(state=DatasetImport.State.CHECKING)
    answer = signed_in.post(page_of(order), {"action": "map", **MAPPING})
    assert answer.status_code == 409
    assert "just being checked" in answer.content.decode()


@pytest.mark.usefixtures("_small_request")
def test_a_small_file_that_unpacks_to_a_large_one_stays_a_workers(student: User) -> None:
    order = kept(student, gzip.compress(b"3\n" + large_file()), "big.jsonl.gz")
    assert order.report["is_partial"]
    assert order.size_bytes < 100_000
    made = decide(order, mapping=None, skips_rejected=True)
    assert isinstance(made, DatasetImport)
    assert made.state == DatasetImport.State.CHECKING


# --- the next version of a dataset ----------------------------------------------------------------


def test_a_file_becomes_the_next_version(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[INSTRUCTION])
    address = f"{NEW}?target={dataset.pk}"
    page = signed_in.get(address).content.decode()
    assert "Upload a new version" in page
    assert 'name="type"' not in page
    # Nothing on the page leads away to a dataset of its own.
    assert f'href="{NEW}' not in page
    assert f'href="{reverse("datasets:dataset_detail", args=[dataset.pk])}"' in page
    newer = INSTRUCTION | {"output": "Nobody."}
    file = SimpleUploadedFile("newer.jsonl", json_lines(INSTRUCTION, newer))
    signed_in.post(address, {"file": file})
    version = latest_version(Dataset.objects.get())
    assert (version.number, version.example_count) == (2, 2)
    assert (version.source_name, version.change["code"]) == ("newer.jsonl", "uploaded")
    assert read_records(version, limit=3) == [INSTRUCTION, newer]


def test_a_version_of_another_shape_is_refused_or_mapped(student: User) -> None:
    dataset = make_dataset(student, records=[INSTRUCTION])
    with pytest.raises(InvalidInputError):
        bring(student, json_lines({"text": "a word"}), "a.jsonl", target=dataset)
    order = bring(student, FRONT_BACK, target=dataset)
    assert isinstance(order, DatasetImport)
    with pytest.raises(InvalidInputError, match="holds examples of the type"):
        decide(order, mapping=ColumnMapping("text", {"text": "front"}), skips_rejected=False)
    mapping = ColumnMapping("instruction", {"instruction": "front", "output": "back"})
    assert decide(order, mapping=mapping, skips_rejected=False) == dataset
    assert latest_version(Dataset.objects.get()).number == 2


def test_nobody_uploads_a_version_of_another_persons_dataset(
    signed_in: Client, other_student: User
) -> None:
    theirs = make_dataset(other_student)
    for wanted in (str(theirs.pk), "nonsense"):
        assert signed_in.get(f"{NEW}?target={wanted}").status_code == 404
        assert signed_in.post(f"{NEW}?target={wanted}").status_code == 404


# --- discarding -----------------------------------------------------------------------------------


def test_a_discarded_import_leaves_nothing(
    signed_in: Client, student: User, django_capture_on_commit_callbacks: Any
) -> None:
    order = kept(student, FRONT_BACK)
    raw = order.raw_file
    assert default_storage.exists(raw)
    with django_capture_on_commit_callbacks(execute=True):
        signed_in.post(reverse("datasets:import_discard", args=[order.pk]))
    assert not DatasetImport.objects.exists()
    assert not default_storage.exists(raw)


def test_nothing_is_decided_twice(student: User) -> None:
    order = kept(student, FRONT_BACK)
    mapping = ColumnMapping("instruction", {"instruction": "front", "output": "back"})
    decide(order, mapping=mapping, skips_rejected=False)
    with pytest.raises(ConflictError):
        decide(DatasetImport.objects.get(), mapping=mapping, skips_rejected=False)
    assert Dataset.objects.count() == 1


def test_imports_are_forgotten_after_a_week(student: User) -> None:
    old, new = kept(student, FRONT_BACK), kept(student, FRONT_BACK)
    DatasetImport.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    sweep_imports()
    assert list(DatasetImport.objects.values_list("pk", flat=True)) == [new.pk]
    assert not default_storage.exists(old.raw_file)
    discard(new)


def test_another_persons_import_is_not_found(
    signed_in: Client, client: Client, other_student: User
) -> None:
    order = kept(other_student, FRONT_BACK)
    for name in ("dataset_import", "import_status", "import_discard"):
        address = reverse(f"datasets:{name}", args=[order.pk])
        method = "post" if name == "import_discard" else "get"
        assert getattr(signed_in, method)(address).status_code == 404
        assert getattr(client, method)(address)["Location"].startswith(reverse("account_login"))
    assert signed_in.get(f"/api/datasets/imports/{order.pk}").status_code == 404


# --- the API --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_small_request")
def test_a_large_upload_answers_202_and_names_its_dataset_at_the_end(signed_in: Client) -> None:
    file = SimpleUploadedFile("big.jsonl", large_file())
    answer = signed_in.post(
        "/api/datasets/upload", {"file": file}, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 202
    body = answer.json()
    assert (body["state"], body["dataset_id"]) == ("checking", None)
    file.seek(0)
    again = signed_in.post("/api/datasets/upload", {"file": file}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (202, body["id"])
    run_import(body["id"])
    body = signed_in.get(f"/api/datasets/imports/{body['id']}").json()
    assert body["state"] == "done"
    assert signed_in.get(f"/api/datasets/{body['dataset_id']}").json()["size"] == 3000


def test_a_parquet_file_is_read_at_once(student: User) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    messages = [[{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]]
    pq.write_table(pa.table({"messages": messages, "id": [7]}), buffer)
    made = bring(student, buffer.getvalue(), "talk.parquet")
    assert isinstance(made, Dataset)
    (record,) = read_records(latest_version(made), limit=2)
    assert json.dumps(record) == json.dumps({"messages": messages[0]})
