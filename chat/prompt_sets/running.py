"""A run on its way: a few questions at a time are put, what failed is tried once more, and at the end it is judged.

Called whenever a reply of the run has ended, by workers in any number and order; the row's lock makes one after the
other of it, and each does what is left to do.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.notifications import notify
from chat.models import Answerer, Message, PromptRun, Reply
from chat.prompt_sets.results import can_score, compute
from chat.selectors import ACTIVE
from chat.sentences import absence_sentence
from chat.tasks import answer
from common.poke import poke_on_commit

MAX_AT_ONCE = 8
"""Replies of a run that wait or are under way: enough to keep a worker busy, too few to be in anybody's way."""
ANSWER, SCORE = 1, 2
"""Takes: the answer, and the measured loss of the answer hoped for."""
TRIED_AGAIN = 2
"""What a second try adds to the take."""
LASTING_FAILURES = frozenset(
    {
        "prompt_too_long",
        "adapter_unusable",
        "unsupported_model",
        "unsupported_variant",
        "not_scored",
    }
)
"""Nothing would be different the second time."""
State = PromptRun.State
NOTIFIED_AS = "prompt_run_completed"


def unfinished_runs() -> list[uuid.UUID]:
    """Those that are not judged yet, the oldest first."""
    waiting = PromptRun.objects.filter(completed_at=None).order_by("created_at")
    return list(waiting.values_list("pk", flat=True))


def advance_unfinished() -> None:
    """Go on with every run; for the patrol, which finds those whose poke was lost."""
    for run_id in unfinished_runs():
        advance(run_id)


def advance(run_id: uuid.UUID | str) -> None:
    """Do what is to be done in a run now; nothing where it is over or deleted."""
    with transaction.atomic():
        run = _locked(run_id)
        if run is None or not _is_done(run):
            return
    conclude(run)


def run_path(run_id: uuid.UUID) -> str:
    """The run's page. Written out, because resolving addresses would load every page into the worker."""
    return f"/chat/prompt-runs/{run_id}/"


def conclude(run: PromptRun) -> None:
    """Judge a run that has nothing more to wait for, and tell its owner."""
    # Not in the transaction: it takes a moment, and every other writer would wait for it.
    results = compute(run)
    with transaction.atomic():
        locked = _locked(run.pk)
        if locked is None:
            return
        locked.results = results
        locked.completed_at = timezone.now()
        is_told = locked.state == State.RUNNING
        if is_told:
            locked.state = State.COMPLETED
        locked.save(update_fields=["results", "completed_at", "state"])
        if is_told:
            notify(
                locked.session.owner_id,
                kind=NOTIFIED_AS,
                subject=str(locked.pk),
                params={"name": locked.session.name, "count": len(locked.items)},
                path=run_path(locked.pk),
            )


def _locked(run_id: uuid.UUID | str) -> PromptRun | None:
    rows = PromptRun.objects.select_for_update(of=("self",)).select_related("session")
    return rows.filter(pk=run_id, completed_at=None).first()


def _is_done(run: PromptRun) -> bool:
    """Put what there is room for; whether there is nothing more to wait for."""
    standing = _Standing.read(run)
    if run.state == State.RUNNING:
        present = [
            answerer
            for answerer in run.session.answerers.select_related("base_model", "job")
            if not absence_sentence(answerer)
        ]
        room = MAX_AT_ONCE - standing.active
        room -= _try_again(standing.to_try_again(present), room)
        room -= _put_items(run, present, room)
        if room < MAX_AT_ONCE:
            return False
    return not standing.active


@dataclass(frozen=True, slots=True)
class _Standing:
    """How the replies of a run stand.

    Attributes:
        active: how many wait or are under way.
        failed: those of first tries, in their order.
        tried_again: what has a second try, by message, model and first take.
    """

    active: int
    failed: list[Reply]
    tried_again: frozenset[tuple[uuid.UUID, uuid.UUID, int]]

    @classmethod
    def read(cls, run: PromptRun) -> _Standing:
        """In one query, without the many that are answered."""
        open_or_failed = Q(status__in=(*ACTIVE, Reply.Status.FAILED)) | Q(take__gt=TRIED_AGAIN)
        rows = Reply.objects.filter(open_or_failed, message__session=run.session_id)
        replies = list(rows.order_by("created_at", "pk").defer("text", "logprobs"))
        return cls(
            active=sum(reply.status in ACTIVE for reply in replies),
            failed=[
                reply
                for reply in replies
                if reply.status == Reply.Status.FAILED and reply.take <= TRIED_AGAIN
            ],
            tried_again=frozenset(
                (reply.message_id, reply.answerer_id, reply.take - TRIED_AGAIN)
                for reply in replies
                if reply.take > TRIED_AGAIN
            ),
        )

    def to_try_again(self, present: Iterable[Answerer]) -> list[Reply]:
        """Failures that may have been the worker's, of models that are still there."""
        present_ids = {answerer.pk for answerer in present}
        return [
            reply
            for reply in self.failed
            if reply.error_code not in LASTING_FAILURES
            and reply.answerer_id in present_ids
            and (reply.message_id, reply.answerer_id, reply.take) not in self.tried_again
        ]


def _try_again(failed: list[Reply], room: int) -> int:
    """Queue second tries; how many."""
    chosen = failed[: max(0, room)]
    Reply.objects.filter(pk__in=[reply.pk for reply in chosen]).update(is_chosen=False)
    _queue(
        Reply(
            message_id=reply.message_id,
            answerer_id=reply.answerer_id,
            take=reply.take + TRIED_AGAIN,
            is_chosen=reply.take == ANSWER,
            sampling=reply.sampling,
            scored_text=reply.scored_text,
        )
        for reply in chosen
    )
    return len(chosen)


def _put_items(run: PromptRun, present: list[Answerer], room: int) -> int:
    """Put the next questions as long as there is room for all their replies; how many replies."""
    count = 0
    messages: list[str] = run.results["messages"]
    first = run.next_item
    while present and run.next_item < len(run.items):
        item = run.items[run.next_item]
        message = Message(session_id=run.session_id, text=item["prompt"])
        replies = _replies_to(message, item["reference"], present, run.results["sampling"])
        if count + len(replies) > room:
            break
        message.save(force_insert=True)
        _queue(replies)
        count += len(replies)
        messages.append(str(message.pk))
        run.next_item += 1
    if run.next_item != first:
        run.save(update_fields=["next_item", "results"])
    return count


def _replies_to(
    message: Message, reference: str, present: list[Answerer], sampling: dict[str, object]
) -> list[Reply]:
    """An answer of each model, and where it can be the loss of the hoped-for one."""
    replies = []
    for answerer in present:
        replies.append(Reply(message=message, answerer=answerer, take=ANSWER, sampling=sampling))
        if reference and can_score(answerer):
            replies.append(
                Reply(
                    message=message,
                    answerer=answerer,
                    take=SCORE,
                    is_chosen=False,
                    sampling=sampling,
                    scored_text=reference,
                )
            )
    return replies


def _queue(replies: Iterable[Reply]) -> None:
    created = Reply.objects.bulk_create(replies)
    if created:
        # One poke is enough: the worker takes whatever waits.
        poke_on_commit(answer, str(created[0].pk))
