"""The terminal event of work that ended without a result."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from engine.durable import is_disk_full
from engine.errors import (
    CancelledError,
    DiskFullError,
    EngineError,
    OutOfMemoryError,
    SuspendedError,
)
from engine.models.devices import Device, is_out_of_memory, memory_report
from engine.protocol import Usage

logger = logging.getLogger(__name__)

Event = dict[str, Any]


def ending(
    work_id: str,
    failure: Exception,
    device: Device,
    *,
    usage: Usage | None = None,
    mends: list[str] | None = None,
) -> Event:
    """The event that tells of a failure, which is logged.

    Args:
        usage: of an answer that was cancelled.
        mends: settings that need less memory, best first.
    """
    if isinstance(failure, CancelledError):
        event: Event = {"type": "cancelled", "work_id": work_id}
        if usage is not None:
            event["usage"] = dict(usage)
        if isinstance(failure, SuspendedError):
            event["suspended"] = True
        return event
    known = _known(failure, device, mends)
    detail = "".join(traceback.format_exception(failure))
    logger.error("work=%s failed with %s\n%s", work_id, known.code, detail)
    return {
        "type": "failed",
        "work_id": work_id,
        "code": known.code,
        "params": known.params,
        "detail": repr(failure)[:2000],
    }


def _known(failure: Exception, device: Device, mends: list[str] | None) -> EngineError:
    if is_out_of_memory(failure):
        report = memory_report(device)
        changes: dict[str, Any] = {} if mends is None else {"mends": mends}
        return OutOfMemoryError(
            total_bytes=report.total_bytes, available_bytes=report.available_bytes, **changes
        )
    if is_disk_full(failure):
        return DiskFullError()
    return failure if isinstance(failure, EngineError) else EngineError()
