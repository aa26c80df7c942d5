"""Records of other people's shapes as records of ours, and the kinds of data that supervised tuning can not use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from datasets_app.intake.findings import printable, refuse
from datasets_app.intake.mapping import ColumnMapping, column_key
from datasets_app.intake.strict_json import find_bad_value
from engine.data.records import RecordError

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "bing": "assistant",
    "model": "assistant",
}
_TOOL_ROLES = frozenset(
    {
        "tool",
        "function",
        "function_call",
        "tool_call",
        "observation",
        "ipython",
        "function_response",
    }
)
_MEDIA_COLUMNS = frozenset({"image", "images", "video", "videos", "audio", "audios"})
_MEDIA_PARTS = frozenset(
    {"image", "image_url", "input_image", "video", "video_url", "audio", "input_audio"}
)
_UNPAIRED_LABELS = frozenset({"kto_tag", "label"})


def refuse_other_kinds(records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse sets for preference tuning, of tool calls alone, and with pictures or sounds.

    Args:
        records: the first records of the data.

    Raises:
        RefusalError: one of these kinds.
    """
    samples = list(records)
    columns = {column_key(str(name)) for record in samples for name in record}
    if {"chosen", "rejected"} <= columns:
        refuse("preference")
    if _is_unpaired_preference(samples, columns):
        refuse("unpaired_preference")
    if any(_has_media(record) for record in samples):
        refuse("multimodal")
    if samples and all(_has_tool_call(record) for record in samples):
        refuse("tool_calls")


def to_native(
    record: Mapping[str, Any], mapping: ColumnMapping, *, keeps_others: bool
) -> Mapping[str, Any]:
    """The record in one of our shapes.

    Args:
        keeps_others: a record that is in our shape already comes back unchanged, with whatever else is in it.

    Raises:
        RecordError: bad_messages, tool_call, multimodal, bad_role.
    """
    if mapping.shape == "chat":
        return _chat(record, mapping, keeps_others=keeps_others)
    if _is_conversation(record, mapping):
        return _prompted_chat(record, mapping)
    if mapping.is_native and keeps_others:
        return record
    return {
        part: _from_cell(record[column]) if part == "history" else record[column]
        for part, column in mapping.columns.items()
        # An empty cell of an optional column says nothing.
        if column in record
        and not (part in ("input", "system", "history") and record[column] in ("", None))
    }


def _chat(
    record: Mapping[str, Any], mapping: ColumnMapping, *, keeps_others: bool
) -> Mapping[str, Any]:
    column = mapping.columns["messages"]
    messages = _from_cell(record.get(column))
    if not isinstance(messages, list) or not messages:
        raise RecordError("bad_messages")
    system = record.get(mapping.columns.get("system", ""))
    is_plain = all(
        isinstance(message, dict)
        and message.get("role") in ("system", "user", "assistant")
        and isinstance(message.get("content"), str)
        and "train" not in message
        and not message.get("tool_calls")
        for message in messages
    )
    if is_plain and not system:
        is_whole = keeps_others and column == "messages" and messages is record[column]
        return record if is_whole else {"messages": messages}
    turns = [_message(message) for message in messages]
    if isinstance(system, str) and system.strip() and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    return {"messages": turns}


def _from_cell(value: Any) -> Any:
    """A list that stands as JSON in a cell of a table."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if find_bad_value(found) is None else value


def _message(message: Any, *, is_context: bool = False) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise RecordError("bad_messages")
    found = message.get("role", message.get("from"))
    key = found.strip().casefold() if isinstance(found, str) else ""
    if key in _TOOL_ROLES or message.get("tool_calls") or message.get("function_call"):
        raise RecordError("tool_call")
    if key not in _ROLES:
        raise RecordError("bad_role", role=printable(str(found)))
    content = _content(message.get("content", message.get("value", message.get("text"))))
    turn: dict[str, Any] = {"role": _ROLES[key], "content": content}
    is_skipped = message.get("weight") == 0 or message.get("train") is False
    if turn["role"] == "assistant" and (is_skipped or is_context):
        turn["weight"] = 0
    return turn


def _content(content: Any) -> Any:
    """The text of a message that may come in parts."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _MEDIA_PARTS:
            raise RecordError("multimodal")
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise RecordError("bad_messages")
        texts.append(part["text"])
    return "\n".join(texts)


def _is_conversation(record: Mapping[str, Any], mapping: ColumnMapping) -> bool:
    """A prompt and a completion that are lists of messages."""
    return mapping.shape == "completion" and any(
        isinstance(record.get(mapping.columns[part]), list) for part in ("prompt", "completion")
    )


def _prompted_chat(record: Mapping[str, Any], mapping: ColumnMapping) -> dict[str, Any]:
    parts = [record.get(mapping.columns[part]) for part in ("prompt", "completion")]
    roles = ("user", "assistant")
    lists = [
        [{"role": role, "content": part}] if isinstance(part, str) else part
        for role, part in zip(roles, parts, strict=True)
    ]
    if not all(isinstance(part, list) and part for part in lists):
        raise RecordError("bad_messages")
    prompt, completion = lists
    return {
        "messages": [
            *(_message(message, is_context=True) for message in prompt or []),
            *(_message(message) for message in completion or []),
        ]
    }


def has_conversations(records: Iterable[Mapping[str, Any]], mapping: ColumnMapping) -> bool:
    """Whether prompts and completions are lists of messages, so that the dataset is a chat."""
    return any(_is_conversation(record, mapping) for record in records)


def _is_unpaired_preference(samples: list[Mapping[str, Any]], columns: set[str]) -> bool:
    if not _UNPAIRED_LABELS & columns:
        return False
    has_answers = (
        {"prompt", "completion"} <= columns
        or {"messages"} <= columns
        or {"conversations"} <= columns
        # A label beside an instruction may be its topic; this name means one thing only.
        or {"kto_tag"} <= columns
    )
    labels = [record.get(name) for record in samples for name in _UNPAIRED_LABELS if name in record]
    return has_answers and bool(labels) and all(isinstance(label, bool) for label in labels)


def _has_media(record: Mapping[str, Any]) -> bool:
    if any(column_key(str(name)) in _MEDIA_COLUMNS and record[name] for name in record):
        return True
    return any(
        isinstance(part, dict) and part.get("type") in _MEDIA_PARTS
        for message in _messages_of(record)
        for part in _parts_of(message)
    )


def _parts_of(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _has_tool_call(record: Mapping[str, Any]) -> bool:
    return any(
        str(message.get("role", message.get("from"))).casefold() in _TOOL_ROLES
        or bool(message.get("tool_calls"))
        or bool(message.get("function_call"))
        for message in _messages_of(record)
    )


def _messages_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = record.get("messages", record.get("conversations"))
    return (
        [message for message in messages if isinstance(message, dict)]
        if isinstance(messages, list)
        else []
    )
