"""A waiting reply as the engine's request: the conversation as its model saw it, the model and how to draw."""

from __future__ import annotations

from uuid import UUID

from chat.execution.adapters import local_adapter
from chat.models import ChatSession, Reply
from chat.selectors import branch_of
from engine.config import SamplingParams
from engine.protocol import ChatTurn, GenerationSpec
from modelhub.selectors import base_model_ref


def generation_spec(reply_id: UUID) -> GenerationSpec:
    """
    Raises:
        FileNotFoundError: the adapter was deleted, or its files are missing.
        UnavailableError: the base model is not on this host.
    """
    reply = Reply.objects.select_related(
        "message__session", "answerer__base_model", "answerer__job__adapter"
    ).get(pk=reply_id)
    answerer = reply.answerer
    adapter_path, adapter_digest = None, ""
    if answerer.is_gone:
        raise FileNotFoundError(f"the job of {answerer.label} is deleted")
    if answerer.job is not None:
        adapter_path, adapter_digest = local_adapter(answerer.job.adapter)
    session = reply.message.session
    return GenerationSpec(
        base_model=base_model_ref(answerer.base_model),
        turns=_turns(reply),
        sampling=SamplingParams.from_mapping(reply.sampling),
        adapter_path=adapter_path,
        adapter_digest=adapter_digest,
        overflow="drop_oldest",
        conversation=_conversation(session, reply),
        owner=str(session.owner_id),
        scored_answer=reply.scored_text,
    )


def _conversation(session: ChatSession, reply: Reply) -> str:
    """Key of what the engine remembers for the next message; a program's session has one message only."""
    return f"{session.pk}:{reply.answerer_id}" if session.kind == ChatSession.Kind.CHAT else ""


def _turns(reply: Reply) -> list[ChatTurn]:
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
