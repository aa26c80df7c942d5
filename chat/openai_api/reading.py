"""A request's fields as turns and sampling; everything that is wrong with them is told before it costs anything."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from chat.openai_api.schemas import CompletionRequest, MessageRequest
from chat.services.settings import read_sampling
from chat.services.texts import read_text
from common.errors import Fault, InvalidInputError
from engine.protocol import ChatTurn

MAX_STOP_TEXTS = 4
MAX_STOP_CHARACTERS = 64
MAX_TOP_LOGPROBS = 5
SEEDS = 2**32
SAMPLED = ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens")


@dataclass(frozen=True, slots=True)
class Order:
    """What a program asks for.

    Attributes:
        turns: at most one system turn, first; the last one is the user's.
        sampling: every parameter of SamplingParams.
        top_logprobs: so many alternatives are told with each token; None when no log-probabilities are.
    """

    turns: list[ChatTurn]
    sampling: dict[str, Any]
    is_streamed: bool
    includes_usage: bool
    top_logprobs: int | None


def read_order(request: CompletionRequest) -> Order:
    """Raises InvalidInputError with every fault of the request."""
    faults = list(_unsupported(request))
    turns = _turns(request.messages, faults)
    top_logprobs = _top_logprobs(request, faults)
    sampling = _sampling(request, top_logprobs, faults)
    is_streamed = _flag(request.stream, "stream", faults)
    options = request.stream_options
    if options is not None and not isinstance(options, dict):
        faults.append(Fault(_("This must be an object with named fields."), field="stream_options"))
        options = None
    includes_usage = _flag(
        (options or {}).get("include_usage"), "stream_options.include_usage", faults
    )
    if faults:
        raise InvalidInputError(faults[0].message, faults=faults)
    return Order(turns, sampling, is_streamed, includes_usage, top_logprobs)


def _unsupported(request: CompletionRequest) -> Iterator[Fault]:
    """Fields that would change the answer and can not be heeded: to ignore them would be to answer something else."""
    if request.n not in (None, 1) or isinstance(request.n, bool):
        yield Fault(_("Each request gets one answer. Leave out “n”, or set it to 1."), field="n")
    for name in ("presence_penalty", "frequency_penalty"):
        if getattr(request, name) not in (None, 0):
            sentence = _(
                "“%(name)s” can not be set here. Leave it out; “repetition_penalty” does something similar."
            )
            yield Fault(sentence % {"name": name}, field=name)
    for name in ("tools", "functions"):
        if getattr(request, name):
            sentence = _("The models here call no tools. Leave out “%(name)s”.")
            yield Fault(sentence % {"name": name}, field=name)
    if request.logit_bias:
        yield Fault(
            _("Single tokens can not be made likelier here. Leave out “logit_bias”."),
            field="logit_bias",
        )
    if request.response_format not in (None, {"type": "text"}):
        yield Fault(
            _("The models here answer in plain text only. Leave out “response_format”."),
            field="response_format",
        )


# --- conversation ---------------------------------------------------------------------------------


def _turns(messages: list[MessageRequest], faults: list[Fault]) -> list[ChatTurn]:
    """What the system and the developer say becomes one turn: chat templates have room for one, at the beginning."""
    system: list[str] = []
    turns: list[ChatTurn] = []
    for index, message in enumerate(messages):
        is_last = index == len(messages) - 1
        field = f"messages.{index}.content"
        text = _content(message.content, field, faults)
        if text or is_last:
            text = read_text(text, faults, field=field)
        match message.role:
            case "system" | "developer":
                system.append(text)
            case role:
                turns.append({"role": role, "content": text})
    if messages[-1].role != "user":
        faults.append(
            Fault(
                _("The last message must be the user's, because that is the one that is answered."),
                field="messages",
            )
        )
    if any(system):
        turns.insert(0, {"role": "system", "content": "\n\n".join(filter(None, system))})
    return turns


def _content(content: Any, field: str, faults: list[Fault]) -> str:
    """The text of a message; parts stand on lines of their own."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        faults.append(
            Fault(_("The content must be text, or a list of parts with text."), field=field)
        )
        return "-"
    texts: list[str] = []
    for index, part in enumerate(content):
        is_text = isinstance(part, dict) and part.get("type") == "text"
        if not is_text or not isinstance(part.get("text"), str):
            sentence = _(
                "Only parts of the type “text” can be read. Leave out pictures, sound and files."
            )
            faults.append(Fault(sentence, field=f"{field}.{index}"))
            return "-"
        texts.append(part["text"])
    return "\n".join(texts)


# --- sampling -------------------------------------------------------------------------------------


def _sampling(
    request: CompletionRequest, top_logprobs: int | None, faults: list[Fault]
) -> dict[str, Any]:
    values = {name: value for name in SAMPLED if (value := getattr(request, name)) is not None}
    if request.max_completion_tokens is not None:
        values["max_tokens"] = request.max_completion_tokens
    if top_logprobs is not None:
        # Without alternatives the drawn token's own is still asked for; what is too much is left out of the answer.
        values["logprobs"] = max(1, top_logprobs)
    values["seed"] = _seed(request.seed, faults)
    values["stop"] = _stop_texts(request.stop, faults)
    found: list[Fault] = []
    sampling = read_sampling(values, found)
    for fault in found:
        name = str(fault.field).removeprefix("settings.")
        if name == "max_tokens" and request.max_completion_tokens is not None:
            name = "max_completion_tokens"
        faults.append(Fault(fault.message, field=name))
    return sampling


def _seed(seed: Any, faults: list[Fault]) -> int:
    """The protocol's seeds may be of any size; without one no two answers are alike."""
    if seed is None:
        return secrets.randbelow(SEEDS)
    if isinstance(seed, bool) or not isinstance(seed, int):
        faults.append(Fault(_("Enter a whole number."), field="seed"))
        return 0
    return seed % SEEDS


def _stop_texts(stop: Any, faults: list[Fault]) -> list[str]:
    texts = [stop] if isinstance(stop, str) else stop or []
    is_usable = (
        isinstance(texts, list)
        and all(isinstance(text, str) and len(text) <= MAX_STOP_CHARACTERS for text in texts)
        and len(texts) <= MAX_STOP_TEXTS
    )
    if is_usable:
        return list(texts)
    sentence = _("Give at most %(count)d stop texts of at most %(length)d characters each.")
    faults.append(
        Fault(sentence % {"count": MAX_STOP_TEXTS, "length": MAX_STOP_CHARACTERS}, field="stop")
    )
    return []


def _top_logprobs(request: CompletionRequest, faults: list[Fault]) -> int | None:
    top = request.top_logprobs
    if not _flag(request.logprobs, "logprobs", faults):
        if top:
            faults.append(
                Fault(_("“top_logprobs” needs “logprobs” set to true."), field="top_logprobs")
            )
        return None
    if top is None:
        return 0
    if isinstance(top, bool) or not isinstance(top, int) or not 0 <= top <= MAX_TOP_LOGPROBS:
        sentence = _("Enter a whole number from 0 to %(maximum)d.")
        faults.append(Fault(sentence % {"maximum": MAX_TOP_LOGPROBS}, field="top_logprobs"))
        return None
    return top


def _flag(value: Any, field: str, faults: list[Fault]) -> bool:
    if value is not None and not isinstance(value, bool):
        faults.append(Fault(_("This must be true or false."), field=field))
        return False
    return bool(value)
