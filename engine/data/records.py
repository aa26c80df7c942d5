"""One record of a dataset, in the shapes that people write, as conversation turns. Torch-free.

Shapes: instruction `{"instruction", "input"?, "output", "system"?, "history"?: [[question, answer], ...]}`, chat
`{"messages": [{"role", "content", "weight"?}]}`, completion `{"prompt", "completion"}` or `{"text"}`. An answer of
weight 0 is read but not learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

DatasetType = Literal["instruction", "chat", "completion"]
DATASET_TYPES: tuple[DatasetType, ...] = ("instruction", "chat", "completion")
ROLES = ("system", "user", "assistant")


class RecordError(ValueError):
    """A record is not of the shape it should be.

    Attributes:
        code: stable name of the fault.
        params: values of its sentence (the field's name, the role found).
    """

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(f"{code} {params}")
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn; is_trained says whether its tokens and its stop token carry loss."""

    role: str
    content: str
    is_trained: bool


@dataclass(frozen=True, slots=True)
class Example:
    """What the model learns from: turns of a conversation, or bare text.

    Attributes:
        turns: rendered through the base model's chat template; empty for bare text.
        prompt: text before the trained part, when the shape is completion.
        completion: the trained text of a completion; every token of `{"text"}` is trained.
    """

    turns: tuple[Turn, ...] = ()
    prompt: str = ""
    completion: str = ""


def detect_type(record: Mapping[str, Any]) -> DatasetType | None:
    """The shape of a record by its fields, or None when it is none of ours."""
    if "messages" in record:
        return "chat"
    if "instruction" in record and "output" in record:
        return "instruction"
    if "text" in record or ("prompt" in record and "completion" in record):
        return "completion"
    return None


def read_example(record: Mapping[str, Any], dataset_type: DatasetType) -> Example:
    """A record as an Example.

    Raises:
        RecordError: missing_field, not_text, empty_field, bad_messages, bad_role, no_answer, bad_history.
    """
    if dataset_type == "chat":
        return Example(turns=_chat_turns(record))
    if dataset_type == "instruction":
        return Example(turns=_instruction_turns(record))
    if "text" in record:
        return Example(completion=_text(record, "text"))
    return Example(prompt=_text(record, "prompt"), completion=_text(record, "completion"))


def _instruction_turns(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    question = _text(record, "instruction")
    extra = _optional_text(record, "input")
    if extra:
        question = f"{question}\n\n{extra}"
    answer = _text(record, "output")
    system = _optional_text(record, "system")
    opening = [Turn("system", system, False)] if system else []
    turns = [Turn("user", question, False), Turn("assistant", answer, True)]
    return (*opening, *_history_turns(record), *turns)


def _history_turns(record: Mapping[str, Any]) -> list[Turn]:
    history = record.get("history")
    if history is None:
        return []
    if not isinstance(history, list) or not all(map(_is_pair, history)):
        raise RecordError("bad_history")
    return [
        turn
        for question, answer in history
        for turn in (Turn("user", question, False), Turn("assistant", answer, True))
    ]


def _is_pair(value: Any) -> bool:
    """Whether it is a list of two texts, a question and its answer."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(isinstance(text, str) and text.strip() for text in value)


def _chat_turns(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RecordError("bad_messages")
    turns = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise RecordError("bad_messages")
        role = message.get("role")
        if role not in ROLES:
            raise RecordError("bad_role", role=str(role)[:40])
        is_trained = role == "assistant" and message.get("weight", 1) != 0
        turns.append(Turn(role, _text(message, "content"), is_trained))
    if not any(turn.is_trained for turn in turns):
        raise RecordError("no_answer")
    return tuple(turns)


def _text(record: Mapping[str, Any], name: str) -> str:
    if name not in record or record[name] is None:
        raise RecordError("missing_field", field=name)
    value = record[name]
    if not isinstance(value, str):
        raise RecordError("not_text", field=name)
    if not value.strip():
        raise RecordError("empty_field", field=name)
    return value


def _optional_text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordError("not_text", field=name)
    return value
