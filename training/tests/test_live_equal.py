"""Whatever happens to a job and to a connection: what a listener holds in the end equals a fresh fetch.

A random story of a job is played while a listener disconnects and connects again at random. The JSON listener builds
its state from a snapshot and events; the page swaps fragments. Both are compared with what a new reader would get.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import LazySettings
from django.core.serializers.json import DjangoJSONEncoder

from accounts.models import User
from common import strict_json
from training import lifecycle
from training.consumers import TrainingConsumer
from training.fragments import ALL_PIECES, render_pieces
from training.lifecycle import Lease
from training.models import TrainingJob
from training.recorder import JobRecorder
from training.routing import websocket_urlpatterns
from training.schemas import snapshot_event
from training.selectors import get_job
from training.tests.factories import make_training_job

pytestmark = pytest.mark.django_db(transaction=True)

STORY_LENGTH = 24
SEEDS = range(2)
JOB_FIELDS = (
    "status",
    "stage",
    "current_step",
    "total_steps",
    "loss",
    "best_loss",
    "eval_loss",
    "baseline_loss",
    "error_code",
)
POINT_FIELDS = ("loss", "learning_rate", "eval_loss", "grad_norm", "tokens_per_second")
REQUESTS = ("cancelling", "stopping")


class Story:
    """What may happen to a job, one random thing at a time, written as workers and services write it."""

    def __init__(self, job: TrainingJob, chance: random.Random) -> None:
        self.job = job
        self.chance = chance
        self.lease: Lease | None = None
        self.recorder: JobRecorder | None = None
        self.step = 0

    def go_on(self) -> None:
        self.job.refresh_from_db()
        if not self.job.is_active:
            lifecycle.requeue(self.job.pk)
        elif self.job.status == TrainingJob.Status.PENDING:
            self._claim()
        else:
            self.chance.choice(self._possible())()

    def end(self) -> None:
        self.job.refresh_from_db()
        if self.job.is_active and self.job.status != TrainingJob.Status.RUNNING:
            lifecycle.request_cancel(self.job.pk)
        elif self.job.is_active:
            lifecycle.fail(self._held(), "internal")

    def _possible(self) -> list[Callable[[], Any]]:
        usual = [self.train, self.train, self.train, self._evaluate, self._answer, self._save]
        if self.job.cancel_requested_at is not None:
            return [self.train, lambda: lifecycle.finish_cancelled(self._held())]
        if self.job.stop_requested_at is not None:
            return [*usual, lambda: lifecycle.fail(self._held(), "internal")]
        pk, lease = self.job.pk, self._held()
        return [
            *usual,
            lambda: lifecycle.request_cancel(pk),
            lambda: lifecycle.request_stop(pk),
            lambda: lifecycle.release(pk, lease.token),
            lambda: lifecycle.fail(lease, "disk_full"),
        ]

    def _held(self) -> Lease:
        assert self.lease is not None
        return self.lease

    def _claim(self) -> None:
        self.lease = lifecycle.claim_next("worker")
        self.recorder = JobRecorder(self._held())
        self.step = 0
        self.tell({"type": "plan", "work_id": "", "resumed_step": 0} | PLAN)
        self.tell({"type": "stage", "stage": "training"})

    def train(self) -> None:
        for _step in range(self.chance.randint(1, 3)):
            self.step += 1
            self._take(
                {
                    "type": "step",
                    "step": self.step,
                    "epoch": self.step / 15,
                    "loss": round(self.chance.uniform(0.1, 3), 4),
                    "learning_rate": 1e-3,
                    "grad_norm": 1.0,
                    "tokens_per_second": 200.0,
                }
            )
        self._write()

    def _evaluate(self) -> None:
        """Each part in a write of its own, or in the next one, as time would have it."""
        if self.chance.random() < 0.5:
            self.tell({"type": "stage", "stage": "evaluating"})
        loss = round(self.chance.uniform(0.1, 3), 4)
        self._take({"type": "evaluation", "step": self.step, "eval_loss": loss, "is_best": False})
        if self.chance.random() < 0.5:
            self._take({"type": "stage", "stage": "training"})
        self._write()

    def _answer(self) -> None:
        text = self.chance.choice(["Class 1B.", "Class 2B.", "Nobody knows."])
        self.tell({"type": "sample", "step": self.step, "index": 0, "prompt": "Who?", "text": text})

    def _save(self) -> None:
        self.tell({"type": "checkpoint", "step": self.step, "failed": self.chance.random() < 0.3})

    def _take(self, event: dict[str, Any]) -> None:
        assert self.recorder is not None
        self.recorder.take(event)

    def tell(self, event: dict[str, Any]) -> None:
        self._take(event)
        self._write()

    def _write(self) -> None:
        assert self.recorder is not None
        self.recorder.write()


PLAN = {
    "total_steps": 500,
    "total_epochs": 5,
    "example_count": 12,
    "eval_example_count": 2,
    "truncated_count": 0,
    "cut_answer_count": 0,
    "dropped_count": 0,
    "token_count": 900,
    "label_token_count": 300,
    "trainable_parameters": 2_442_240,
}


class EventListener:
    """A program that follows a job by JSON events."""

    query = "?"

    def __init__(self) -> None:
        self.seq = 0
        self.job: dict[str, Any] = {}
        self.points: dict[int, dict[str, Any]] = {}
        self.asked = ""

    def reconnect_query(self, chance: random.Random) -> str:
        return f"?last_seq={self.seq}" if self.seq and chance.random() < 0.7 else "?"

    def take(self, text: str) -> None:
        event = strict_json.loads(text)
        if event["type"] == "snapshot":
            self.seq = event["seq"]
            self.job = {name: event["job"][name] for name in JOB_FIELDS}
            self.points = points_of(event)
            self.asked = self.job["stage"] if self.job["stage"] in REQUESTS else ""
            return
        assert event["seq"] == self.seq + 1, "a gap"
        self.seq = event["seq"]
        getattr(self, f"_take_{event['type']}")(event)

    def equals(self, job: TrainingJob) -> bool:
        fresh = strict_json.loads(strict_json.dumps(snapshot_event(job), encoder=DjangoJSONEncoder))
        wanted = {name: fresh["job"][name] for name in JOB_FIELDS}
        return (self.seq, self.job, self.points) == (fresh["seq"], wanted, points_of(fresh))

    def _take_stage(self, event: dict[str, Any]) -> None:
        stage = event["stage"]
        if "plan" in event:
            self.job["total_steps"] = event["plan"]["total_steps"]
            return
        if stage == "preparing" and "attempt" in event:
            self.points = {}
            self.job |= {"status": "running", "current_step": 0}
        if stage == "queued" and ("attempt" in event or "is_resumed" in event):
            self.job |= {"status": "pending", "error_code": None, "stage": stage}
            self.asked = ""
            return
        self.asked = stage if stage in REQUESTS else self.asked
        self.job["stage"] = self.asked or stage

    def _take_metrics(self, event: dict[str, Any]) -> None:
        for point in event["points"]:
            known = self.points.setdefault(point["step"], dict.fromkeys(POINT_FIELDS))
            known |= {name: point[name] for name in POINT_FIELDS if name in point}
        newest = event["points"][-1]
        losses = [point["loss"] for point in self.points.values() if point["loss"] is not None]
        self.job |= {
            "current_step": newest["step"],
            "loss": newest["loss"],
            "best_loss": min(losses),
        }

    def _take_evaluation(self, event: dict[str, Any]) -> None:
        known = self.points.setdefault(event["step"], dict.fromkeys(POINT_FIELDS))
        known["eval_loss"] = self.job["eval_loss"] = event["eval_loss"]
        if event["step"] == 0:
            self.job["baseline_loss"] = event["eval_loss"]

    def _take_sample(self, event: dict[str, Any]) -> None:
        assert event["text"]

    def _take_checkpoint(self, event: dict[str, Any]) -> None:
        assert event["step"] >= 0

    def _take_finished(self, event: dict[str, Any]) -> None:
        self.asked = ""
        self.job |= {"status": event["status"], "stage": "done"}
        if "error_code" in event:
            self.job["error_code"] = event["error_code"]


class PageListener:
    """A page that swaps fragments by their ids."""

    query = "?as=html"

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}

    def reconnect_query(self, chance: random.Random) -> str:
        return self.query

    def take(self, text: str) -> None:
        self.parts |= parts_of(text)

    def equals(self, job: TrainingJob) -> bool:
        return self.parts == parts_of(render_pieces(job, ALL_PIECES))


def points_of(snapshot: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {
        point["step"]: {name: point[name] for name in POINT_FIELDS} for point in snapshot["metrics"]
    }


def parts_of(html: str) -> dict[str, str]:
    starts = list(re.finditer(r'<\w+[^<>]* id="(job-[\w-]+)"[^<>]* hx-swap-oob="true"', html))
    ends = [match.start() for match in starts[1:]] + [len(html)]
    return {match[1]: html[match.start() : end] for match, end in zip(starts, ends, strict=True)}


class Connection:
    """A socket that its listener opens and loses."""

    def __init__(self, user: User, job: TrainingJob, listener: Any, chance: random.Random) -> None:
        self._user, self._job = user, job
        self._listener, self._chance = listener, chance
        self._socket: WebsocketCommunicator | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def open(self) -> None:
        async def authenticate() -> Any:
            return self._user

        query = self._listener.reconnect_query(self._chance)
        socket = WebsocketCommunicator(
            URLRouter(websocket_urlpatterns), f"/ws/training/{self._job.pk}{query}"
        )
        socket.scope |= {"user": self._user, "authenticate": authenticate, "language": "en"}
        assert (await socket.connect())[0]
        self._socket = socket

    async def read_one(self) -> bool:
        """Whether there was a message; a closed socket has none."""
        assert self._socket is not None
        message = await self._socket.receive_output(timeout=15)
        if message["type"] == "websocket.close":
            assert message["code"] == 1000, message
            await self.lose()
            return False
        self._listener.take(message["text"])
        return True

    async def read_until(self, is_equal: Callable[[], Any]) -> None:
        """Read until the listener is up to date; a job that was over and goes on again has closed its socket."""
        while not await database_sync_to_async(is_equal)():
            if not self.is_open or not await self.read_one():
                await self.open()

    async def lose(self) -> None:
        if self._socket is not None:
            await self._socket.disconnect()
            self._socket = None


@pytest.fixture
async def connections(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Connection]]:
    settings.LIVE_EVENT_INTERVAL_SECONDS = 0.001
    monkeypatch.setattr(TrainingConsumer, "recheck_changes_seconds", 0.02)
    opened: list[Connection] = []
    yield opened
    for connection in opened:
        await connection.lose()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "evaluation", "step": 3, "eval_loss": 1.5, "is_best": True},
        {"type": "sample", "step": 3, "index": 0, "prompt": "Who?", "text": "Class 1B."},
        {"type": "checkpoint", "step": 3, "failed": False},
        {"type": "stage", "stage": "evaluating"},
        {"type": "plan", "work_id": "", "resumed_step": 0} | PLAN,
    ],
    ids=lambda event: event["type"],
)
async def test_one_event_alone_leaves_the_page_as_a_fresh_one(
    connections: list[Connection], student: User, event: dict[str, Any]
) -> None:
    job = await database_sync_to_async(make_training_job)(
        student, sample_prompts=["Who?"], training_config={"eval_fraction": 0.2}
    )
    page = PageListener()
    story = Story(job, random.Random(1))
    await database_sync_to_async(story.go_on)()
    await database_sync_to_async(story.train)()
    connection = Connection(student, job, page, random.Random(1))
    connections.append(connection)
    await connection.open()
    await connection.read_one()
    before = dict(page.parts)
    await database_sync_to_async(story.tell)(event)
    await connection.read_one()
    assert page.parts != before
    assert await database_sync_to_async(lambda: page.equals(get_job(student, job.pk)))()


@pytest.mark.parametrize("has_layer", [True, False], ids=["with hints", "without hints"])
@pytest.mark.parametrize("kind", [EventListener, PageListener])
@pytest.mark.parametrize("seed", SEEDS)
async def test_what_a_listener_holds_equals_a_fresh_fetch(
    connections: list[Connection],
    student: User,
    seed: int,
    kind: type[EventListener] | type[PageListener],
    has_layer: bool,
) -> None:
    chance = random.Random(seed)
    job = await database_sync_to_async(make_training_job)(
        student, sample_prompts=["Who?"], training_config={"eval_fraction": 0.2}
    )
    listener = kind()
    story = Story(job, chance)
    connection = Connection(student, job, listener, chance)
    connections.append(connection)

    def is_equal() -> bool:
        return listener.equals(get_job(student, job.pk))

    async def tell(happens: Callable[[], None]) -> None:
        if not has_layer:
            # What an emptied Redis leaves: nobody is a member of the group any more.
            get_channel_layer().groups.clear()
        await database_sync_to_async(happens)()

    await connection.open()
    for _happening in range(STORY_LENGTH):
        await tell(story.go_on)
        match chance.randrange(5):
            case 0:
                await connection.lose()
            case 1 if connection.is_open:
                # Lost in the middle of what it was being told.
                await connection.read_one()
                await connection.lose()
            case 2 | 3:
                if not connection.is_open:
                    await connection.open()
                await connection.read_until(is_equal)
    await tell(story.end)
    if not connection.is_open:
        await connection.open()
    await connection.read_until(is_equal)
    while connection.is_open:
        await connection.read_one()
    assert await database_sync_to_async(is_equal)()
