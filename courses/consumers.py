"""The live socket of a class: the parts of the page that its leaders have open, whenever they change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils.translation import gettext as _

from accounts.models import Cohort
from common.errors import NotFoundError
from common.sockets import CloseCode, LiveConsumer
from courses.events import group_name
from courses.instructor.live_view import LiveView
from courses.instructor.pieces import PIECES, render_pieces

logger = logging.getLogger(__name__)


class ClassroomConsumer(LiveConsumer):
    """Follows one class, for those who may look at it.

    A message of the group is a hint: what is sent is read from the rows. Much of the page changes without one, as
    the minutes at a step, the percent of a job or a place in the queue, so it is looked at from time to time anyway.
    A client that does not ask for HTML is told that something changed, and reads it from the API.
    """

    interval_seconds: ClassVar[float] = 2.0
    """Between two messages, however many students do something."""
    recheck_changes_seconds: ClassVar[float] = 5.0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._hint = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._sent: dict[str, str] = {}
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        self._page = query.get("view", "")
        self._view = LiveView.from_query(query)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stop_following()

    def _stop_following(self) -> None:
        if self._follower is not None:
            self._follower.cancel()

    async def authorise(self) -> bool:
        return self._page in PIECES and await database_sync_to_async(self._may_look)()

    def group(self) -> str:
        return group_name(self._cohort_id)

    async def on_connected(self) -> None:
        self._follower = asyncio.create_task(self._follow())

    async def class_changed(self, message: dict[str, Any]) -> None:
        self._hint.set()

    @property
    def _cohort_id(self) -> UUID:
        cohort_id: UUID = self.scope["url_route"]["kwargs"]["cohort_id"]
        return cohort_id

    async def _follow(self) -> None:
        rest = max(0.0, self.recheck_changes_seconds - self.interval_seconds)
        try:
            while True:
                self._hint.clear()
                await self._send_changes()
                await asyncio.sleep(self.interval_seconds)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rest):
                        await self._hint.wait()
        except NotFoundError as error:
            await self.close_with(CloseCode.NOT_FOUND, error.message)
        except DatabaseError as error:
            # The page polls until the socket opens again.
            logger.warning("cohort=%s live socket ended, no database: %s", self._cohort_id, error)
            await self.close_with(CloseCode.TRY_LATER, "")
        except Exception:
            # Nobody waits for this task: a socket that stays open and says nothing would look alive.
            logger.exception("cohort=%s live socket failed", self._cohort_id)
            await self.close_with(CloseCode.SERVER_ERROR, "")

    async def _send_changes(self) -> None:
        pieces = await database_sync_to_async(self._read)()
        changed = [html for name, html in pieces.items() if self._sent.get(name) != html]
        self._sent = pieces
        if not changed:
            return
        if self.wants_html:
            await self.send_html("".join(changed))
        else:
            await self.send_event({"type": "changed"})

    # --- reads, in a thread -----------------------------------------------------------------------

    def _may_look(self) -> bool:
        return Cohort.objects.reviewed_by(self.user).filter(pk=self._cohort_id).exists()

    def _read(self) -> dict[str, str]:
        cohort = Cohort.objects.reviewed_by(self.user).filter(pk=self._cohort_id).first()
        if cohort is None:
            raise NotFoundError(_("There is no class with this id that you lead."))
        can_lead = Cohort.objects.led_by(self.user).filter(pk=cohort.pk).exists()
        return render_pieces(self._page, cohort, self._view, can_lead=can_lead)
