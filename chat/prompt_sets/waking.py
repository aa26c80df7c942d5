"""A reply has ended: the run that it belongs to goes on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chat.models import PromptRun
from chat.tasks import advance_run
from common.poke import poke


def wake(session_id: UUID, **_: Any) -> None:
    """Receiver of chat.lifecycle.reply_ended; a poke that is lost costs the patrol's interval."""
    unfinished = PromptRun.objects.filter(session_id=session_id, completed_at=None)
    if run_id := unfinished.values_list("pk", flat=True).first():
        poke(advance_run, str(run_id))
