"""A waiting reply becomes work of the engine, and its text becomes the reply. Runs in a worker's threads."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Prefetch

from chat import lifecycle
from chat.lifecycle import Lease, LeaseLostError
from chat.models import Reply
from chat.selectors import branch_of
from common import storage
from common.errors import UnavailableError
from engine.client import Work
from engine.config import SamplingParams
from engine.protocol import ChatTurn, GenerationSpec
from modelhub.execution import engine, is_draining
from modelhub.selectors import base_model_ref
from training.models import Adapter

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1
"""A reply without new text renews its lease this often."""
KEPT_ADAPTERS = 50
"""Adapter folders kept beside the engine; a class has about thirty."""


def answer(reply_id: str, worker_name: str) -> None:
    """Answer one waiting reply; does nothing when it was taken or stopped meanwhile."""
    if is_draining():
        return
    lease = lifecycle.claim(reply_id, worker_name)
    if lease is None:
        return
    try:
        _generate(lease)
    except LeaseLostError:
        logger.warning("reply=%s lease lost", lease.reply_id)
    except UnavailableError:
        _fail(lease, "unsupported_model")
    except FileNotFoundError:
        logger.exception("reply=%s adapter files missing", lease.reply_id)
        _fail(lease, "adapter_unusable")
    except DatabaseError:
        logger.exception("reply=%s database failed", lease.reply_id)
    except Exception:
        logger.exception("reply=%s failed", lease.reply_id)
        _fail(lease, "internal")


def _fail(lease: Lease, code: str) -> None:
    try:
        lifecycle.fail(lease, code)
    except LeaseLostError:
        logger.warning("reply=%s ended elsewhere before it failed with %s", lease.reply_id, code)


def _generate(lease: Lease) -> None:
    work = engine().submit_generation(
        _spec(lease.reply_id), work_id=f"{lease.reply_id}-{lease.token}"
    )
    try:
        end = _follow(work, lease)
    except BaseException:
        work.cancel()
        raise
    match end["type"]:
        case "finished":
            lifecycle.complete(
                lease,
                finish_reason=end["finish_reason"],
                usage=end["usage"],
                timings=end["timings"],
            )
        case "failed":
            logger.warning("reply=%s failed: %s %s", lease.reply_id, end["code"], end["detail"])
            lifecycle.fail(lease, end["code"], end["params"])
        case "cancelled" if is_draining():
            lifecycle.fail(lease, "worker_stopped")
        case "cancelled":
            lifecycle.finish_cancelled(lease)


def _follow(work: Work, lease: Lease) -> dict[str, Any]:
    """Write the text as it comes, at most every REPLY_FLUSH_INTERVAL_SECONDS; the terminal event is returned."""
    interval = settings.REPLY_FLUSH_INTERVAL_SECONDS
    offset, pending, written_at = 0, "", 0.0
    while True:
        event = work.next(timeout=interval)
        is_over = event is not None and event["type"] != "text"
        if event is not None and not is_over:
            # PostgreSQL stores no NUL; a model may still draw one.
            pending += event["text"].replace("\x00", "")
        quiet_seconds = time.monotonic() - written_at
        if (
            pending and (is_over or quiet_seconds >= interval)
        ) or quiet_seconds >= HEARTBEAT_SECONDS:
            is_cancelled = lifecycle.append_text(lease, offset=offset, text=pending)
            offset, pending, written_at = offset + len(pending), "", time.monotonic()
        else:
            # A reader who stops while nothing is written yet waits no longer than one who sees text.
            is_cancelled = event is None and lifecycle.is_cancel_requested(lease)
        if is_over:
            return event  # type: ignore[return-value]
        if is_cancelled or is_draining():
            work.cancel()


def _spec(reply_id: Any) -> GenerationSpec:
    reply = Reply.objects.select_related(
        "message__session", "answerer__base_model", "answerer__job__adapter"
    ).get(pk=reply_id)
    answerer = reply.answerer
    adapter_path, adapter_digest = None, ""
    if answerer.is_gone:
        raise FileNotFoundError(f"the job of {answerer.label} is deleted")
    if answerer.job is not None:
        adapter_path, adapter_digest = _local_adapter(answerer.job.adapter)
    return GenerationSpec(
        base_model=base_model_ref(answerer.base_model),
        turns=_turns(reply),
        sampling=SamplingParams.from_mapping(reply.sampling),
        adapter_path=adapter_path,
        adapter_digest=adapter_digest,
    )


def _turns(reply: Reply) -> list[ChatTurn]:
    """The conversation as this model saw it: earlier messages with its own answers, then the new message."""
    session = reply.message.session
    turns: list[ChatTurn] = []
    system_prompt = session.settings.get("system_prompt", "")
    if system_prompt:
        turns.append({"role": "system", "content": system_prompt})
    if reply.message.history is not None:
        turns += reply.message.history
    own = Reply.objects.filter(answerer=reply.answerer, is_chosen=True).exclude(text="")
    rows = session.messages.prefetch_related(Prefetch("replies", own, to_attr="own"))
    for message in branch_of(rows, reply.message.parent_id):
        for earlier in message.own:
            turns += [
                {"role": "user", "content": message.text},
                {"role": "assistant", "content": earlier.text},
            ]
    turns.append({"role": "user", "content": reply.message.text})
    return turns


def _local_adapter(adapter: Adapter) -> tuple[str, str]:
    """The adapter's folder on this host, fetched from storage at its first use."""
    cache = settings.LLMLORA_HOME.adapter_cache
    folder = cache / adapter.digest
    if not (folder / "manifest.json").is_file():
        for name in sorted(adapter.files, key=lambda name: (name == "manifest.json", name)):
            storage.fetch_file(f"{adapter.prefix}/{name}", folder / name)
        _trim(cache)
    folder.touch()
    return str(folder), adapter.digest


def _trim(cache: Path) -> None:
    folders = sorted(
        (path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime
    )
    for folder in folders[:-KEPT_ADAPTERS]:
        shutil.rmtree(folder, ignore_errors=True)
