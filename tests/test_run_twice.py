"""Every task and every patrol step runs twice, one after another and at once, and its effect happens once.

Nothing is mocked: real rows and files, the real engine on a tiny model. A task that is new needs a case in CASES.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings, settings
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from accounts.mailing import send_waiting_mails
from accounts.models import Cohort, DataRequest, Membership, Notification, User
from accounts.notifications import purge_seen
from accounts.privacy.asking import ask_erasure, ask_export, cancel_own_request
from accounts.privacy.exporting import remove_old_exports
from accounts.privacy.running import run_due_requests
from chat import lifecycle as chat_lifecycle
from chat.execution import close_desk, desk
from chat.models import ChatSession, PromptRun, Reply
from chat.services.opening import create_session
from chat.services.prompt_runs import cancel_run, delete_run
from chat.services.purging import purge_duels, purge_requests
from chat.tests.factories import make_answer, make_base_session, make_message, reply_of, start_reply
from chat.tests.prompt_factories import answer_all, answer_reply, make_run, waiting_replies
from courses.execution.retention import erase_old_classes
from courses.lifecycle import measuring as measuring_lifecycle
from courses.models import CheckResult, Evidence, HiddenMeasurement, ScoreEvent, StepProgress
from courses.services.reading import open_step
from courses.tests.factories import enrol, publish_sample
from courses.tests.measuring import STEP, TINY, ask, enrol_in_measuring
from courses.tests.writing import HELLO
from datasets_app.execution import sweep_imports
from datasets_app.models import Dataset, DatasetImport
from datasets_app.selectors import latest_version
from datasets_app.services.bringing import bring_file
from datasets_app.services.deciding import discard
from datasets_app.storing import import_prefix
from datasets_app.tests.factories import INSTRUCTION, json_lines
from engine.tests.factories import make_tiny_base_model
from llmlora_site.celery import app
from llmlora_site.patrol import Patrol
from modelhub.chat_servers import ChatServer
from modelhub.execution import close_engine
from modelhub.models import BaseModel, ModelPull
from modelhub.pulling_execution import wait_pulls_ended
from modelhub.pulling_lifecycle import purge_pulls
from modelhub.server_looks import look_at_chat_servers
from modelhub.services import sync_base_models
from modelhub.tests.ollama_server import running_ollama
from training import lifecycle
from training.execution import sweep_artifacts, sweep_work_folders
from training.models import Adapter, MetricPoint, TrainingEvent, TrainingJob
from training.services.ending import delete_training_job
from training.tests.factories import make_completed_job, make_running_job, make_training_job

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 3000
PULLED = "tiny:latest"
PLACES = ("jobs", "imports", "datasets", "exports")

Run = Callable[[Callable[[], object]], None]


# --- running twice --------------------------------------------------------------------------------


def one_after_another(step: Callable[[], object]) -> None:
    step()
    step()


def at_once(step: Callable[[], object]) -> None:
    """In two threads that start together; what one of them raises is raised."""
    start = threading.Barrier(2)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            start.wait()
            step()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


both_ways = pytest.mark.parametrize("twice", [one_after_another, at_once])


def deliver(name: str, argument: str) -> None:
    """What a worker does with one message of the task, signals included, until all of it is done."""
    app.tasks[name].apply(args=[argument], throw=True)
    # The message only wakes the desk, which answers in threads of its own.
    assert desk().wait_idle(60)
    wait_pulls_ended(60)


@contextmanager
def nothing_changes() -> Iterator[None]:
    """No row of any table and no file in storage."""
    before = all_rows(), stored_files()
    yield
    assert (all_rows(), stored_files()) == before


def all_rows() -> dict[str, list[tuple[Any, ...]]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values_list())
        for model in apps.get_models()
    }


def stored_files() -> list[str]:
    return sorted(name for place in PLACES for name in _files_below(place))


def _files_below(prefix: str) -> Iterator[str]:
    if not default_storage.exists(prefix):
        return
    folders, files = default_storage.listdir(prefix)
    yield from (f"{prefix}/{name}" for name in files)
    for folder in folders:
        yield from _files_below(f"{prefix}/{folder}")


# --- the world ------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / "tiny")
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / TINY, context_length=2048)
    app.loader.import_default_modules()
    yield
    close_desk()
    close_engine()


@pytest.fixture(autouse=True)
def _ollama(settings: LazySettings) -> Iterator[None]:
    """In place of the remote service, a server that speaks as it does."""
    with running_ollama() as (server, address):
        server.library[PULLED] = [1000, 20]
        settings.OLLAMA_URL = address
        yield


@pytest.fixture(autouse=True)
def _small_request(settings: LazySettings) -> None:
    """Files are left to a worker from a hundred kilobytes on."""
    settings.REQUEST_CHECK_BYTES = 100_000


def tiny_model(name: str = "tiny") -> BaseModel:
    sync_base_models()
    return BaseModel.objects.get(name=name)


# --- a job ----------------------------------------------------------------------------------------


def waiting_job(owner: User, base_model: str = "tiny") -> str:
    config = {"num_epochs": 2, "batch_size": 4, "max_length": 128, "eval_fraction": 0.2}
    job = make_training_job(
        owner,
        base_model=tiny_model(base_model),
        lora_config={"r": 2, "alpha": 4},
        training_config=config,
        sample_prompts=["Who waters bed 3?"],
    )
    return str(job.pk)


def assert_job_ran_once(job_id: str) -> None:
    job = TrainingJob.objects.get(pk=job_id)
    assert (job.status, job.error_code, job.attempt) == (TrainingJob.Status.COMPLETED, "", 1)
    adapter = Adapter.objects.get(job=job)
    assert sorted(_files_below(f"jobs/{job_id}")) == sorted(
        f"{adapter.prefix}/{name}" for name in adapter.files
    )
    assert_dense(job)
    told = Counter(
        (event.type, event.payload.get("stage"), event.payload.get("step"))
        for event in TrainingEvent.objects.filter(job=job).exclude(type="metrics")
    )
    assert told["finished", None, job.total_steps] == 1
    assert told["evaluation", None, job.total_steps] == 1
    assert told["sample", None, job.total_steps] == 1
    starts = TrainingEvent.objects.filter(job=job, type="stage", payload__has_key="attempt")
    assert starts.count() == 1
    steps = [
        point["step"]
        for event in TrainingEvent.objects.filter(job=job, type="metrics")
        for point in event.payload["points"]
    ]
    assert steps == list(range(1, job.total_steps + 1))
    assert MetricPoint.objects.filter(job=job, loss__isnull=False).count() == job.total_steps
    assert Notification.objects.filter(subject=job_id).count() == 1
    assert not list(settings.LLMLORA_HOME.work.glob(f"{job_id}*"))


def assert_dense(job: TrainingJob) -> None:
    numbers = list(job.events.order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, job.event_seq + 1))


def held_job(owner: User) -> str:
    return str(make_running_job(owner, step_count=3)[0].pk)


def completed_job(owner: User) -> str:
    return str(make_completed_job(owner).pk)


def cancelled_job(owner: User) -> str:
    job = make_training_job(owner)
    assert lifecycle.request_cancel(job.pk)
    return str(job.pk)


def deleted_job(owner: User) -> str:
    job = make_completed_job(owner)
    job_id = str(job.pk)
    delete_training_job(job)
    return job_id


# --- a reply --------------------------------------------------------------------------------------


def waiting_reply(owner: User) -> str:
    session = create_session(owner, model_name=tiny_model().name)
    # Hot, so that the tiny model says something; with a seed, so that it says the same again.
    return str(reply_of(make_message(session, temperature=2, seed=1, max_tokens=24)).pk)


def assert_answered_once(reply_id: str) -> None:
    reply = Reply.objects.get(pk=reply_id)
    assert (reply.status, reply.error_code, reply.attempt) == (Reply.Status.COMPLETED, "", 1)
    assert reply.text
    # The same question to the same model, answered by one message.
    other_id = waiting_reply(reply.message.session.owner)
    deliver("chat.answer", other_id)
    other = Reply.objects.get(pk=other_id)
    assert (reply.text, reply.usage) == (other.text, other.usage)


def held_reply(owner: User) -> str:
    reply = reply_of(make_message(make_base_session(owner)))
    start_reply(reply)
    return str(reply.pk)


def completed_reply(owner: User) -> str:
    return str(make_answer(make_message(make_base_session(owner)), "Class ", "3B.").pk)


def cancelled_reply(owner: User) -> str:
    session = make_base_session(owner)
    reply = reply_of(make_message(session))
    assert chat_lifecycle.request_cancel(session.pk) == 1
    return str(reply.pk)


def deleted_reply(owner: User) -> str:
    reply_id = completed_reply(owner)
    ChatSession.objects.get(messages__replies=reply_id).delete()
    return reply_id


# --- an import ------------------------------------------------------------------------------------


def waiting_import(owner: User, extra: bytes = b"") -> str:
    records = [INSTRUCTION | {"output": f"Class {number} waters it."} for number in range(ROWS)]
    file = SimpleUploadedFile("beds.jsonl", json_lines(*records) + extra)
    order = bring_file(owner, file=file, keeps_draft=True)
    assert isinstance(order, DatasetImport)
    assert order.state == DatasetImport.State.CHECKING
    return str(order.pk)


def assert_imported_once(import_id: str) -> None:
    order = DatasetImport.objects.get(pk=import_id)
    assert (order.state, order.attempts) == (DatasetImport.State.DONE, 1)
    dataset = Dataset.objects.get(owner=order.owner)
    assert order.result == dataset
    assert dataset.versions.count() == 1
    assert latest_version(dataset).example_count == ROWS
    assert list(_files_below(f"datasets/{dataset.pk}")) == [latest_version(dataset).file]
    assert list(_files_below(import_prefix(order.pk))) == []


def held_import(owner: User) -> str:
    import_id = waiting_import(owner)
    DatasetImport.objects.filter(pk=import_id).update(heartbeat_at=timezone.now(), attempts=1)
    return import_id


def done_import(owner: User) -> str:
    import_id = waiting_import(owner)
    deliver("datasets_app.run_import", import_id)
    return import_id


def open_import(owner: User) -> str:
    import_id = waiting_import(owner, extra=b'{"instruction": "Why?"}\n')
    deliver("datasets_app.run_import", import_id)
    assert DatasetImport.objects.get(pk=import_id).state == DatasetImport.State.OPEN
    return import_id


def discarded_import(owner: User) -> str:
    import_id = waiting_import(owner)
    discard(DatasetImport.objects.get(pk=import_id))
    return import_id


# --- a run of a prompt set ------------------------------------------------------------------------


def waiting_run(owner: User) -> str:
    """All that was put is answered, and nobody has said so."""
    run = make_run(owner, count=6)
    for reply in waiting_replies(run):
        answer_reply(reply, "Class 3B.")
    return str(run.pk)


def assert_advanced_once(run_id: str) -> None:
    run = PromptRun.objects.get(pk=run_id)
    texts = list(run.session.messages.values_list("text", flat=True))
    assert len(set(texts)) == len(texts) == run.next_item
    takes = Reply.objects.filter(message__session=run.session)
    keys = list(takes.values_list("message", "answerer", "take"))
    assert len(set(keys)) == len(keys)


def completed_run(owner: User) -> str:
    return str(answer_all(make_run(owner)).pk)


def cancelled_run(owner: User) -> str:
    run = make_run(owner)
    assert cancel_run(run)
    deliver("chat.advance_run", str(run.pk))
    return str(run.pk)


def deleted_run(owner: User) -> str:
    run_id = cancelled_run(owner)
    delete_run(PromptRun.objects.get(pk=run_id))
    return run_id


# --- a pull of a model ----------------------------------------------------------------------------


def waiting_pull(owner: User) -> str:
    return str(ModelPull.objects.create(name=PULLED, requested_by=owner).pk)


def assert_pulled_once(pull_id: str) -> None:
    pull = ModelPull.objects.get(pk=pull_id)
    assert (pull.status, pull.error_code) == (ModelPull.Status.COMPLETED, "")


def ended_pull(owner: User) -> str:
    pull = ModelPull.objects.create(
        name=PULLED, requested_by=owner, status=ModelPull.Status.CANCELLED
    )
    return str(pull.pk)


def deleted_pull(owner: User) -> str:
    return str(uuid.uuid4())


# --- a step of a course ---------------------------------------------------------------------------


def open_step_with_its_job(owner: User) -> str:
    step = HELLO | {"checks": [{"key": "job", "is": "job.completed"}]}
    with tempfile.TemporaryDirectory() as folder:
        publish_sample(Path(folder), {"train": step})
    enrolment = enrol(owner, "sample")
    open_step(enrolment, "train")
    make_completed_job(owner)
    return str(owner.pk)


def assert_passed_once(user_id: str) -> None:
    assert StepProgress.objects.get(enrolment__user=user_id).state == "passed"
    assert (
        ScoreEvent.objects.count() == Evidence.objects.count() == CheckResult.objects.count() == 1
    )


def passed_step(owner: User) -> str:
    user_id = open_step_with_its_job(owner)
    deliver("courses.verify", user_id)
    return user_id


def in_no_course(owner: User) -> str:
    return str(owner.pk)


# --- a measurement on hidden questions ------------------------------------------------------------


def waiting_measurement(owner: User) -> str:
    with tempfile.TemporaryDirectory() as folder:
        enrolment = enrol_in_measuring(owner, Path(folder))
    open_step(enrolment, STEP)
    job_id = waiting_job(owner, TINY)
    deliver("training.run_waiting_jobs", job_id)
    return str(ask(enrolment, TrainingJob.objects.get(pk=job_id)).pk)


def assert_measured_once(measurement_id: str) -> None:
    row = HiddenMeasurement.objects.get()
    assert (str(row.pk), row.status, row.error_code) == (measurement_id, "completed", "")
    assert row.attempts == 1
    assert CheckResult.objects.filter(check_key="gain").count() == 1


def held_measurement(owner: User) -> str:
    measurement_id = waiting_measurement(owner)
    assert measuring_lifecycle.claim_next() is not None
    return measurement_id


def done_measurement(owner: User) -> str:
    measurement_id = waiting_measurement(owner)
    deliver("courses.measure", measurement_id)
    return measurement_id


def deleted_measurement(owner: User) -> str:
    measurement_id = waiting_measurement(owner)
    HiddenMeasurement.objects.all().delete()
    return measurement_id


# --- a person's data ------------------------------------------------------------------------------


def waiting_export(owner: User) -> str:
    return str(ask_export(owner).pk)


def assert_exported_once(request_id: str) -> None:
    request = DataRequest.objects.get(pk=request_id)
    assert request.state == DataRequest.State.DONE
    assert list(_files_below("exports")).count(request.path) == 1
    assert Notification.objects.filter(subject=request_id).count() == 1


def done_export(owner: User) -> str:
    request_id = waiting_export(owner)
    deliver("accounts.run_data_request", request_id)
    return request_id


def held_export(owner: User) -> str:
    request_id = waiting_export(owner)
    later = timezone.now() + timedelta(minutes=5)
    DataRequest.objects.filter(pk=request_id).update(state="running", runs_at=later)
    return request_id


def early_erasure(owner: User) -> str:
    return str(ask_erasure(owner).pk)


def cancelled_erasure(owner: User) -> str:
    request = ask_erasure(owner)
    cancel_own_request(owner, request.pk)
    DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
    return str(request.pk)


def deleted_request(owner: User) -> str:
    return str(uuid.uuid4())


# --- the tasks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """What a task works on.

    Attributes:
        waiting: makes the object and returns the message's argument.
        assert_once: that the effect stands there once, given the argument.
        over: makers of objects on which a message that comes again has nothing to do, by their state.
    """

    waiting: Callable[[User], str]
    assert_once: Callable[[str], None]
    over: dict[str, Callable[[User], str]]


CASES = {
    "training.run_waiting_jobs": Case(
        waiting_job,
        assert_job_ran_once,
        {
            "held by a worker": held_job,
            "completed": completed_job,
            "cancelled": cancelled_job,
            "deleted": deleted_job,
        },
    ),
    "chat.answer": Case(
        waiting_reply,
        assert_answered_once,
        {
            "held by a worker": held_reply,
            "completed": completed_reply,
            "cancelled": cancelled_reply,
            "deleted": deleted_reply,
        },
    ),
    "datasets_app.run_import": Case(
        waiting_import,
        assert_imported_once,
        {
            "held by a worker": held_import,
            "done": done_import,
            "waits for a decision": open_import,
            "discarded": discarded_import,
        },
    ),
    "chat.advance_run": Case(
        waiting_run,
        assert_advanced_once,
        {"completed": completed_run, "cancelled": cancelled_run, "deleted": deleted_run},
    ),
    "modelhub.pull_model": Case(
        waiting_pull, assert_pulled_once, {"cancelled": ended_pull, "deleted": deleted_pull}
    ),
    "courses.verify": Case(
        open_step_with_its_job,
        assert_passed_once,
        {"passed": passed_step, "in no course": in_no_course},
    ),
    "courses.measure": Case(
        waiting_measurement,
        assert_measured_once,
        {
            "held by a worker": held_measurement,
            "done": done_measurement,
            "deleted": deleted_measurement,
        },
    ),
    "accounts.run_data_request": Case(
        waiting_export,
        assert_exported_once,
        {
            "held by a worker": held_export,
            "done": done_export,
            "not begun": early_erasure,
            "cancelled": cancelled_erasure,
            "deleted": deleted_request,
        },
    ),
}
POKED = ("training.run_waiting_jobs", "chat.answer", "datasets_app.run_import")
"""Tasks whose lost messages the patrol makes good by the same function."""
OVER = [(name, state) for name, case in CASES.items() for state in case.over]


def test_every_task_has_a_case() -> None:
    registered = {name for name in app.tasks if not name.startswith("celery.")}
    assert registered == set(CASES)


@both_ways
@pytest.mark.parametrize("name", CASES)
def test_a_message_that_comes_twice_has_one_effect(name: str, twice: Run, student: User) -> None:
    case = CASES[name]
    argument = case.waiting(student)
    twice(lambda: deliver(name, argument))
    case.assert_once(argument)


@pytest.mark.parametrize(("name", "state"), OVER)
def test_a_message_that_comes_late_changes_nothing(name: str, state: str, student: User) -> None:
    argument = CASES[name].over[state](student)
    with nothing_changes():
        deliver(name, argument)


# --- the patrol -----------------------------------------------------------------------------------


@both_ways
def test_what_a_patrol_finds_and_a_message_tells_is_done_once(twice: Run, student: User) -> None:
    """The patrols of two workers find the rows just as their messages arrive."""
    old = timezone.now() - timedelta(seconds=10)
    arguments = {name: CASES[name].waiting(student) for name in POKED}
    Reply.objects.update(created_at=old)
    DatasetImport.objects.update(created_at=old)

    def find_and_deliver() -> None:
        patrol = Patrol(f"observer-{uuid.uuid4()}")
        patrol._find_unpoked()
        for name, argument in arguments.items():
            deliver(name, argument)
        patrol._pool.shutdown()

    twice(find_and_deliver)
    # The import's dataset is one of two: the job has its own.
    assert DatasetImport.objects.get().result is not None
    assert Dataset.objects.count() == 2
    assert_job_ran_once(arguments["training.run_waiting_jobs"])
    assert_answered_once(arguments["chat.answer"])


@both_ways
def test_work_of_a_silent_worker_is_taken_back_once(
    twice: Run, student: User, settings: LazySettings
) -> None:
    settings.LEASE_SECONDS = 0
    job, _lease = make_running_job(student, step_count=3)
    reply_id = held_reply(student)
    twice(lambda: Patrol("observer").reap())
    assert_taken_back_once(job, reply_id)


@both_ways
def test_a_worker_takes_back_its_last_life_once(twice: Run, student: User) -> None:
    job, _lease = make_running_job(student, step_count=3)
    reply_id = held_reply(student)
    twice(lambda: Patrol("test-worker").take_back_own())
    assert_taken_back_once(job, reply_id)


def assert_taken_back_once(job: TrainingJob, reply_id: str) -> None:
    job.refresh_from_db()
    assert (job.status, job.lost_attempts) == (TrainingJob.Status.PENDING, 1)
    assert job.events.filter(type="stage", payload__stage="queued").count() == 1
    assert_dense(job)
    reply = Reply.objects.get(pk=reply_id)
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, "worker_stopped")
    # One event tells that it started, one that it failed.
    assert reply.message.session.event_seq == 2


@both_ways
def test_work_folders_are_swept_once(twice: Run, student: User) -> None:
    job, _lease = make_running_job(student)
    needed = [make_folder(f"{job.pk}-{job.attempt}"), make_folder(f"{job.pk}-checkpoints")]
    left = [make_folder(f"{uuid.uuid4()}-1") for _ in range(20)]
    twice(sweep_work_folders)
    assert all((folder / "dataset.jsonl").is_file() for folder in needed)
    assert not any(folder.exists() for folder in left)
    with nothing_changes():
        sweep_work_folders()


def make_folder(name: str) -> Path:
    folder = settings.LLMLORA_HOME.work / name
    folder.mkdir()
    (folder / "dataset.jsonl").write_text("{}\n", encoding="utf-8")
    return folder


@both_ways
def test_imports_are_swept_once(twice: Run, student: User) -> None:
    forgotten, fresh = open_import(student), open_import(student)
    a_month = timezone.now() - timedelta(days=30)
    DatasetImport.objects.filter(pk=forgotten).update(created_at=a_month)
    twice(sweep_imports)
    assert [str(pk) for pk in DatasetImport.objects.values_list("pk", flat=True)] == [fresh]
    assert list(_files_below(import_prefix(uuid.UUID(forgotten)))) == []
    assert list(_files_below(import_prefix(uuid.UUID(fresh)))) != []
    with nothing_changes():
        sweep_imports()


@both_ways
@pytest.mark.parametrize("purge", [purge_requests, purge_duels, purge_pulls, purge_seen])
def test_what_is_over_is_purged_once(twice: Run, purge: Callable[[], int], student: User) -> None:
    long_ago = timezone.now() - timedelta(days=365)
    for kind in (ChatSession.Kind.API, ChatSession.Kind.DUEL, ChatSession.Kind.CHAT):
        ChatSession.objects.create(owner=student, name="Old", kind=kind)
    ChatSession.objects.update(created_at=long_ago)
    ModelPull.objects.create(name="old:latest", status="failed", completed_at=long_ago)
    make_completed_job(student)
    Notification.objects.update(seen_at=long_ago)
    before = row_count()
    twice(purge)
    assert row_count() == before - 1
    with nothing_changes():
        assert purge() == 0


@both_ways
def test_servers_that_are_away_are_noted_once(twice: Run, settings: LazySettings) -> None:
    settings.CHAT_SERVERS = (ChatServer("gpu", "http://127.0.0.1:9/v1", models={"large": "big"}),)
    sync_base_models()
    twice(look_at_chat_servers)
    assert BaseModel.objects.get(name="large").trouble == BaseModel.Trouble.AWAY
    with nothing_changes():
        look_at_chat_servers()


def row_count() -> int:
    return sum(len(rows) for rows in all_rows().values())


@both_ways
def test_files_of_lost_attempts_are_swept_once(twice: Run, student: User) -> None:
    job = make_completed_job(student)
    kept = sorted(_files_below(job.adapter.prefix))
    orphans = [f"jobs/{job.pk}/attempt-7/a", f"jobs/{uuid.uuid4()}/attempt-1/a"]
    for name in orphans:
        default_storage.save(name, ContentFile(b"lost"))
    twice(sweep_artifacts)
    assert not any(default_storage.exists(name) for name in orphans)
    assert sorted(_files_below(job.adapter.prefix)) == kept
    with nothing_changes():
        sweep_artifacts()


@both_ways
def test_a_mail_is_sent_once(twice: Run, student: User, settings: LazySettings) -> None:
    settings.MAIL_ENABLED = True
    make_completed_job(student)
    twice(send_waiting_mails)
    assert [message.to for message in mail.outbox] == [[student.email]]
    with nothing_changes():
        send_waiting_mails()


@both_ways
def test_a_person_is_erased_once(twice: Run, student: User) -> None:
    job = make_completed_job(student)
    request = ask_erasure(student)
    DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
    twice(run_due_requests)
    request.refresh_from_db()
    assert request.state == DataRequest.State.DONE
    assert not User.objects.filter(pk=student.pk).exists()
    assert list(_files_below(f"jobs/{job.pk}")) == []
    with nothing_changes():
        run_due_requests()


@both_ways
def test_old_archives_are_removed_once(twice: Run, student: User) -> None:
    old, fresh = done_export(student), done_export(User.objects.create_user("ben"))
    DataRequest.objects.filter(pk=old).update(finished_at=timezone.now() - timedelta(days=8))
    twice(remove_old_exports)
    assert not default_storage.exists(f"exports/{old}.zip")
    assert default_storage.exists(f"exports/{fresh}.zip")
    with nothing_changes():
        remove_old_exports()


@both_ways
def test_a_class_is_erased_once(twice: Run, student: User) -> None:
    ended = timezone.localdate() - timedelta(days=40)
    cohort = Cohort.objects.create(name="Class 2B", ends_on=ended, retention_days=30)
    Membership.objects.create(cohort=cohort, user=student)
    job = make_completed_job(student, cohort=cohort)
    twice(erase_old_classes)
    assert not cohort.memberships.exists()
    assert not TrainingJob.objects.exists()
    assert list(_files_below(f"jobs/{job.pk}")) == []
    assert cohort.audit_events.count() == 1
    with nothing_changes():
        erase_old_classes()
