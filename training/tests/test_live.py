"""The training socket: who may listen, a snapshot, then every event in order; the same as fragments."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import LazySettings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from accounts.models import User
from training import lifecycle
from training.consumers import TrainingConsumer
from training.events import group_name
from training.fragments import ALL_PIECES
from training.lifecycle import Progress
from training.models import TrainingJob
from training.routing import websocket_urlpatterns
from training.tests.factories import (
    make_completed_job,
    make_failed_job,
    make_running_job,
    make_training_job,
    record_sample,
    record_steps,
)

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[..., Awaitable[WebsocketCommunicator]]


class PatientSocket(WebsocketCommunicator):  # type: ignore[misc]
    """Waits longer for a message than a machine under load needs for its first template."""

    async def receive_output(self, timeout: float = 15) -> Any:
        return await super().receive_output(max(timeout, 15))


@pytest.fixture
async def open_socket(settings: LazySettings) -> AsyncIterator[Open]:
    settings.LIVE_EVENT_INTERVAL_SECONDS = 0.02
    sockets: list[WebsocketCommunicator] = []

    async def open_it(
        user: Any, job_id: Any, query: str = "", language: str = "en"
    ) -> WebsocketCommunicator:
        async def authenticate() -> Any:
            return user

        path = f"/ws/training/{job_id}{query}"
        socket = PatientSocket(URLRouter(websocket_urlpatterns), path)
        socket.scope |= {"user": user, "authenticate": authenticate, "language": language}
        sockets.append(socket)
        is_accepted, _protocol = await socket.connect()
        assert is_accepted
        return socket

    yield open_it
    for socket in sockets:
        await socket.disconnect()


async def _do(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what reads or writes rows from the test's event loop, as a worker's thread would."""
    return await database_sync_to_async(work)(*args, **kwargs)


async def _closed(socket: WebsocketCommunicator) -> int:
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return int(message["code"])


async def _until_finished(socket: WebsocketCommunicator) -> list[dict[str, Any]]:
    events = [await socket.receive_json_from()]
    while events[-1]["type"] != "finished":
        events.append(await socket.receive_json_from())
    return events


async def test_who_is_signed_out_is_turned_away(open_socket: Open) -> None:
    job = await _do(make_training_job)
    assert await _closed(await open_socket(AnonymousUser(), job.pk)) == 4401


async def test_foreign_and_unknown_jobs_are_not_there(open_socket: Open, student: User) -> None:
    theirs = await _do(make_training_job)
    for job_id in (theirs.pk, uuid4()):
        assert await _closed(await open_socket(student, job_id)) == 4404


async def test_the_snapshot_is_the_whole_state(open_socket: Open, student: User) -> None:
    job, _lease = await _do(make_running_job, student, step_count=5)
    snapshot = await (await open_socket(student, job.pk)).receive_json_from()
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", job.event_seq)
    assert snapshot["job"]["id"] == str(job.pk)
    assert snapshot["job"]["current_step"] == 5
    assert [metric["step"] for metric in snapshot["metrics"]] == [1, 2, 3, 4, 5]


async def test_events_follow_without_a_gap_until_the_job_is_over(
    open_socket: Open, student: User
) -> None:
    job, lease = await _do(make_running_job, student)
    socket = await open_socket(student, job.pk)
    snapshot = await socket.receive_json_from()
    for step in range(1, 6):
        await _do(record_steps, lease, step, step)
    await _do(lifecycle.fail, lease, "out_of_memory")
    events = await _until_finished(socket)
    assert [event["seq"] for event in events] == list(
        range(snapshot["seq"] + 1, snapshot["seq"] + 7)
    )
    assert [event["type"] for event in events] == ["metrics"] * 5 + ["finished"]
    assert events[-1]["error_message"].startswith("The device ran out of memory.")
    assert await _closed(socket) == 1000


async def test_a_sample_is_an_event_of_its_own(open_socket: Open, student: User) -> None:
    job, lease = await _do(make_running_job, student, sample_prompts=["Who?"])
    socket = await open_socket(student, job.pk)
    snapshot = await socket.receive_json_from()
    assert snapshot["job"]["sample_prompts"] == ["Who?"]
    await _do(record_sample, lease, step=2, text="Class 1B.")
    sample = {"step": 2, "index": 0, "prompt": "Who?", "text": "Class 1B."}
    seq = snapshot["seq"] + 1
    assert await socket.receive_json_from() == {"type": "sample", "seq": seq} | sample


async def test_events_are_replayed_after_the_last_seq(open_socket: Open, student: User) -> None:
    job, lease = await _do(make_running_job, student)
    for step in range(1, 5):
        await _do(record_steps, lease, step, step)
    socket = await open_socket(student, job.pk, "?last_seq=2")
    events = [await socket.receive_json_from() for _event in range(2)]
    assert [event["seq"] for event in events] == [3, 4]
    assert await socket.receive_nothing(0.05)
    await _do(lifecycle.finish_cancelled, lease)
    assert (await socket.receive_json_from())["seq"] == 5


async def test_a_last_seq_from_the_future_starts_anew(open_socket: Open, student: User) -> None:
    job, _lease = await _do(make_running_job, student, step_count=2)
    socket = await open_socket(student, job.pk, "?last_seq=999")
    assert (await socket.receive_json_from())["type"] == "snapshot"


async def test_a_lost_hint_costs_only_a_moment(
    open_socket: Open, student: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingConsumer, "recheck_changes_seconds", 0.05)
    job, lease = await _do(make_running_job, student)
    socket = await open_socket(student, job.pk)
    await socket.receive_json_from()
    # What an emptied Redis leaves: nobody is a member of the group any more.
    get_channel_layer().groups.clear()
    await _do(record_steps, lease, 1, 1)
    assert (await socket.receive_json_from())["type"] == "metrics"


async def test_a_hint_that_comes_twice_sends_nothing_twice(
    open_socket: Open, student: User
) -> None:
    job, lease = await _do(make_running_job, student)
    socket = await open_socket(student, job.pk)
    await socket.receive_json_from()
    await _do(record_steps, lease, 1, 1)
    seq = (await socket.receive_json_from())["seq"]
    for _hint in range(3):
        await get_channel_layer().group_send(
            group_name(job.pk), {"type": "training.changed", "seq": seq}
        )
    assert await socket.receive_nothing(0.1)


async def test_a_job_that_is_over_gives_its_state_and_closes(
    open_socket: Open, student: User
) -> None:
    job = await _do(make_completed_job, student)
    socket = await open_socket(student, job.pk)
    assert (await socket.receive_json_from())["job"]["status"] == "completed"
    assert await _closed(socket) == 1000


async def test_a_deleted_job_ends_the_socket(
    open_socket: Open, student: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingConsumer, "recheck_changes_seconds", 0.05)
    job = await _do(make_training_job, student)
    socket = await open_socket(student, job.pk)
    await socket.receive_json_from()
    await _do(TrainingJob.objects.filter(pk=job.pk).delete)
    assert await _closed(socket) == 4404


async def test_a_client_has_nothing_to_say(open_socket: Open, student: User) -> None:
    job = await _do(make_training_job, student)
    socket = await open_socket(student, job.pk)
    await socket.receive_json_from()
    await socket.send_json_to({"type": "cancel"})
    assert (await socket.receive_json_from())["type"] == "error"
    assert await _closed(socket) == 4400


# --- the same as fragments --------------------------------------------------------------------------


def _part_names(html: str) -> set[str]:
    return set(re.findall(r'id="([\w-]+)"[^>]* hx-swap-oob="true"', html))


async def test_fragments_start_with_every_part(open_socket: Open, student: User) -> None:
    job, _lease = await _do(make_running_job, student, step_count=3)
    html = await (await open_socket(student, job.pk, "?as=html&last_seq=1")).receive_from()
    names = set(ALL_PIECES)
    assert _part_names(html) == {f"job-{name}" for name in names}
    assert "Step 3 of 75" in html


async def test_steps_change_only_what_they_touch(open_socket: Open, student: User) -> None:
    job, lease = await _do(make_running_job, student)
    socket = await open_socket(student, job.pk, "?as=html")
    await socket.receive_from()
    await _do(record_steps, lease, 1, 1)
    assert _part_names(await socket.receive_from()) == {"job-status", "job-curves", "job-points"}


async def test_the_fragments_are_drawn_as_the_address_says(
    open_socket: Open, student: User
) -> None:
    job, lease = await _do(make_running_job, student, step_count=5)
    socket = await open_socket(student, job.pk, "?as=html&x=epoch&y=log")
    for _message in range(2):
        html = await socket.receive_from()
        assert ">Epoch</text>" in html
        assert ">Height: logarithmic</text>" in html
        await _do(record_steps, lease, 6, 8)


async def test_a_projector_gets_its_own_part_and_nothing_else(
    open_socket: Open, student: User
) -> None:
    job, lease = await _do(make_running_job, student, step_count=5)
    socket = await open_socket(student, job.pk, "?as=html&view=projector")
    assert _part_names(await socket.receive_from()) == {"job-stage", "job-projector"}
    await _do(record_steps, lease, 6, 8)
    html = await socket.receive_from()
    assert _part_names(html) == {"job-stage", "job-projector"}
    assert "chart-loss" in html
    assert "chart-speed" not in html


async def test_a_waiting_job_hears_of_the_queue_without_an_event_of_its_own(
    open_socket: Open, student: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingConsumer, "recheck_changes_seconds", 0.05)
    first = await _do(make_training_job)
    job = await _do(make_training_job, student)
    socket = await open_socket(student, job.pk, "?as=html")
    await socket.receive_from()
    assert await socket.receive_nothing(0.2)
    await _do(lifecycle.request_cancel, first.pk)
    assert _part_names(await socket.receive_from()) == {"job-status", "job-queue"}


async def test_a_checkpoint_changes_the_log_alone(open_socket: Open, student: User) -> None:
    job, lease = await _do(make_running_job, student)
    socket = await open_socket(student, job.pk, "?as=html")
    await socket.receive_from()
    await _do(lifecycle.record, lease, Progress(events=[("checkpoint", {"step": 40})]))
    html = await socket.receive_from()
    assert _part_names(html) == {"job-log"}
    assert "A checkpoint was saved after step 40." in html


async def test_a_new_sample_changes_the_samples(open_socket: Open, student: User) -> None:
    job, lease = await _do(make_running_job, student, sample_prompts=["Who?"])
    socket = await open_socket(student, job.pk, "?as=html")
    await socket.receive_from()
    await _do(record_sample, lease, step=2, text="Class 1B.")
    html = await socket.receive_from()
    assert "job-samples" in _part_names(html)
    assert "Class 1B." in html


async def test_many_events_become_few_fragments_and_the_last_state_always_comes(
    open_socket: Open, student: User, settings: LazySettings
) -> None:
    job, lease = await _do(make_running_job, student)
    socket = await open_socket(student, job.pk, "?as=html")
    await socket.receive_from()
    settings.LIVE_EVENT_INTERVAL_SECONDS = 0.3

    # All at once, so that a slow machine does not spread them over many intervals.
    @transaction.atomic
    def end_after_forty_steps() -> None:
        for step in range(1, 41):
            record_steps(lease, step, step)
        lifecycle.finish_cancelled(lease)

    await _do(end_after_forty_steps)
    fragments = []
    while "data-over" not in "".join(fragments):
        fragments.append(await socket.receive_from())
    assert len(fragments) <= 5
    assert "Stopped at step 40 of 75" in fragments[-1]
    assert "The job was cancelled" in fragments[-1]
    assert await _closed(socket) == 1000


async def test_fragments_speak_the_language_of_the_listener(
    open_socket: Open, student: User
) -> None:
    job = await _do(make_failed_job, student)
    english = await (await open_socket(student, job.pk, "?as=html")).receive_from()
    japanese = await (await open_socket(student, job.pk, "?as=html", language="ja")).receive_from()
    assert "The job failed" in english
    assert "The job failed" not in japanese
