"""The live socket of one training job: a snapshot, then every event by its dense seq, read from the database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError

from common.errors import NotFoundError
from common.happenings import happened
from common.sockets import CloseCode, LiveConsumer
from training.curves.view import CurveView
from training.events import group_name
from training.fragments import (
    PROJECTOR_PIECES,
    QUEUE_PIECES,
    all_pieces,
    pieces_of,
    render_pieces,
)
from training.models import TrainingJob
from training.schemas import snapshot_event, stored_event
from training.selectors import events_after, get_job

logger = logging.getLogger(__name__)


class TrainingConsumer(LiveConsumer):
    """Follows one job until it is over, as JSON events or as the page's fragments.

    A message of the group is a hint: what is sent is read from the rows, so a lost hint costs `recheck_changes_seconds`
    and nothing else. What a waiting job's page says of the queue changes by the jobs of others, without an event of
    its own: it is looked at with each recheck.
    """

    recheck_changes_seconds: ClassVar[float] = 5.0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._hint = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._sent_seq = 0
        self._sent_queue = ""
        self._was_watched = False
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
        self._view = CurveView.from_query(dict(query))
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stop_following()

    def _stop_following(self) -> None:
        if self._follower is not None:
            self._follower.cancel()

    async def authorise(self) -> bool:
        try:
            await database_sync_to_async(get_job)(self.user, self._job_id)
        except NotFoundError:
            return False
        return True

    def group(self) -> str:
        return group_name(self._job_id)

    async def on_connected(self) -> None:
        self._follower = asyncio.create_task(self._follow())

    async def training_changed(self, message: dict[str, Any]) -> None:
        if message["seq"] > self._sent_seq:
            self._hint.set()

    @property
    def _job_id(self) -> Any:
        return self.scope["url_route"]["kwargs"]["job_id"]

    async def _follow(self) -> None:
        """Send the first state, then what changed at each hint, at most twice a second, until the job is over."""
        try:
            is_over = await self._send_first()
            while not is_over:
                await asyncio.sleep(settings.LIVE_EVENT_INTERVAL_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.recheck_changes_seconds):
                        await self._hint.wait()
                self._hint.clear()
                is_over = await self._send_changes()
            await self.close_with(CloseCode.NORMAL, "")
        except NotFoundError as error:
            await self.close_with(CloseCode.NOT_FOUND, error.message)
        except DatabaseError as error:
            # The page polls until the socket opens again.
            logger.warning(
                "job=%s live socket ended, the database is away: %s", self._job_id, error
            )
            await self.close_with(CloseCode.TRY_LATER, "")
        except Exception:
            # Nobody waits for this task: a socket that stays open and says nothing would look alive.
            logger.exception("job=%s live socket failed", self._job_id)
            await self.close_with(CloseCode.SERVER_ERROR, "")

    async def _send_first(self) -> bool:
        if self.last_seq is not None and not self.wants_html:
            self._sent_seq = self.last_seq
            return await self._send_changes()
        return await self._send_state()

    async def _send_state(self) -> bool:
        seq, is_over, message = await database_sync_to_async(self._read_state)()
        await self._send(message)
        self._sent_seq = seq
        return is_over

    async def _send_changes(self) -> bool:
        seq, is_over, messages = await database_sync_to_async(self._read_changes)()
        for message in messages:
            await self._send(message)
        self._sent_seq = seq
        return is_over

    async def _send(self, message: Any) -> None:
        if self.wants_html:
            await self.send_html(message)
        else:
            await self.send_event(message)

    # --- reads, in a thread -----------------------------------------------------------------------

    def _read_state(self) -> tuple[int, bool, Any]:
        job = self._watched_job()
        if not self.wants_html:
            return job.event_seq, not job.is_active, snapshot_event(job)
        self._sent_queue = self._queue_html(job)
        html = render_pieces(job, all_pieces(self._view), self._view)
        return job.event_seq, not job.is_active, html

    def _read_changes(self) -> tuple[int, bool, list[Any]]:
        if self._has_no_news():
            return self._sent_seq, False, []
        job = self._watched_job()
        if job.event_seq < self._sent_seq:
            # The client's number is not one of this job's: it starts anew.
            seq, is_over, message = self._read_state()
            return seq, is_over, [message]
        events = [
            event for event in events_after(job, self._sent_seq) if event.seq <= job.event_seq
        ]
        messages: list[Any]
        if not self.wants_html:
            messages = [stored_event(event, job) for event in events]
        elif events:
            names = pieces_of({event.type for event in events}, self._view)
            messages = [render_pieces(job, names, self._view)]
        else:
            messages = self._queue_changes(job)
        return job.event_seq, not job.is_active, messages

    def _watched_job(self) -> TrainingJob:
        """The job; that its page is open while it runs is told once."""
        job = get_job(self.user, self._job_id)
        if self.wants_html and not self._was_watched and job.status == TrainingJob.Status.RUNNING:
            self._was_watched = True
            happened("job_page_seen", job.owner_id, job.pk)
        return job

    def _has_no_news(self) -> bool:
        """Most looks find nothing new: they cost one row instead of the job with all that belongs to it."""
        standing = (
            TrainingJob.objects.visible_to(self.user)
            .filter(pk=self._job_id)
            .values_list("event_seq", "status")
            .first()
        )
        if standing is None or standing[0] != self._sent_seq:
            return False
        # What others do changes the queue's part of a waiting job's page without an event.
        is_waiting = standing[1] == TrainingJob.Status.PENDING
        return standing[1] == TrainingJob.Status.RUNNING or (is_waiting and not self.wants_html)

    def _queue_changes(self, job: TrainingJob) -> list[str]:
        html = self._queue_html(job)
        is_news = html != self._sent_queue
        self._sent_queue = html
        return [html] if is_news and html else []

    def _queue_html(self, job: TrainingJob) -> str:
        """The parts that others change; none once the job does not wait."""
        if job.status != TrainingJob.Status.PENDING:
            return ""
        names = PROJECTOR_PIECES if self._view.is_projector else QUEUE_PIECES
        return render_pieces(job, names, self._view)
