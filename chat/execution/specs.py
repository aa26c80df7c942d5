"""A waiting reply as what its back end needs: the conversation as its model saw it, the model and how to draw."""

from __future__ import annotations

from uuid import UUID

from chat.execution.adapters import local_adapter
from chat.models import ChatSession, Reply
from chat.selectors import branch_of
from engine.config import SamplingParams
from engine.protocol import ChatTurn, GenerationSpec
from modelhub.selectors import base_model_ref
from training.models import Adapter


def waiting_reply(reply_id: UUID) -> Reply:
    """The reply with everything that a back end reads of it.

    Raises:
        Reply.DoesNotExist: it was deleted meanwhile.
    """
    rows = Reply.objects.select_related(
        "message__session", "answerer__base_model", "answerer__job__adapter"
    )
    return rows.get(pk=reply_id)


def generation_spec(reply: Reply) -> GenerationSpec:
    """The reply as this host's engine's request.

    Raises:
        FileNotFoundError: the adapter was deleted, or its files are missing.
        UnavailableError: the base model is not on this host.
    """
    answerer, session = reply.answerer, reply.message.session
    adapter = adapter_of(reply)
    adapter_path, adapter_digest = local_adapter(adapter) if adapter else (None, "")
    return GenerationSpec(
        base_model=base_model_ref(answerer.base_model),
        turns=conversation_turns(reply),
        sampling=SamplingParams.from_mapping(reply.sampling),
        adapter_path=adapter_path,
        adapter_digest=adapter_digest,
        overflow="drop_oldest",
        conversation=_conversation(session, reply),
        owner=str(session.owner_id),
        scored_answer=reply.scored_text,
    )


def adapter_of(reply: Reply) -> Adapter | None:
    """What its model was tuned with; None for an untouched base model.

    Raises:
        FileNotFoundError: the adapter was deleted.
    """
    answerer = reply.answerer
    if answerer.is_gone:
        raise FileNotFoundError(f"the job of {answerer.label} is deleted")
    return answerer.job.adapter if answerer.job is not None else None


def _conversation(session: ChatSession, reply: Reply) -> str:
    """Key of what the engine remembers for the next message; a program's session has one message only."""
    return f"{session.pk}:{reply.answerer_id}" if session.kind == ChatSession.Kind.CHAT else ""


def conversation_turns(reply: Reply) -> list[ChatTurn]:
    """Earlier messages with this model's own answers, then the new message."""
    session = reply.message.session
    turns: list[ChatTurn] = []
    system_prompt = session.settings.get("system_prompt", "")
    if system_prompt:
        turns.append({"role": "system", "content": system_prompt})
    if reply.message.history is not None:
        turns += reply.message.history
    own = Reply.objects.filter(answerer=reply.answerer, is_chosen=True).exclude(text="")
    answers = dict(own.values_list("message_id", "text"))
    for message in branch_of(session.messages.all(), reply.message.parent_id):
        if message.pk in answers:
            turns += [
                {"role": "user", "content": message.text},
                {"role": "assistant", "content": answers[message.pk]},
            ]
    turns.append({"role": "user", "content": reply.message.text})
    return turns
