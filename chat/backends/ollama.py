"""Ollama as a back end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.conf import settings

from chat.backends.base import Event, Stream
from chat.backends.calls import ServerCall
from chat.backends.failures import UNREACHABLE, ServerError
from chat.backends.ollama_stream import THINKING_UNKNOWN, OllamaAnswer, refusal
from chat.backends.openai import NOT_SCORED
from chat.backends.openai_failures import PROMPT_TOO_LONG
from chat.backends.streams import EndedStream, RemoteBackend
from chat.execution.specs import conversation_turns
from chat.models import Reply
from engine.config import SamplingParams
from engine.protocol import ChatTurn
from modelhub.chat_servers import OLLAMA
from modelhub.ollama.address import Address, ollama_address
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.syncing import ollama_name

SERVER = "Ollama"
OK = 200


class OllamaBackend(RemoteBackend):
    """The Ollama of OLLAMA_URL."""

    def __init__(self) -> None:
        super().__init__(OLLAMA, SERVER)

    def submit(self, reply: Reply, work_id: str) -> Stream:
        if reply.scored_text:
            return EndedStream(self.failed(NOT_SCORED))
        try:
            address = ollama_address()
        except OllamaError as error:
            code = "server_unknown" if error.reason == "not_configured" else UNREACHABLE
            return EndedStream(self.failed(code, error.detail))
        call = ServerCall(settings.CHAT_SERVER_SILENCE_SECONDS, address.authorization)
        return self.begin(work_id, partial(_draw, OllamaRequest(reply), address), call)


class OllamaRequest:
    """A reply as a request of /api/chat.

    Attributes:
        begun_at: time.monotonic() when the reply was handed over.
        dropped_pairs: of the oldest turns that are left out, because Ollama found the conversation too long.
        has_think: whether the model is told not to think: of the maximum number of tokens the answer gets all.
    """

    def __init__(self, reply: Reply) -> None:
        self.begun_at = time.monotonic()
        self.dropped_pairs = 0
        self.has_think = True
        self._model = ollama_name(reply.answerer.base_model)
        self._sampling = SamplingParams.from_mapping(reply.sampling)
        self._turns = conversation_turns(reply)
        self._pairs = _oldest_pairs(self._turns)

    @property
    def dropped_turns(self) -> int:
        return sum(len(pair) for pair in self._pairs[: self.dropped_pairs])

    def drop_more(self) -> bool:
        """Leave out twice as many of the oldest turns, or all but the last; whether there were any left."""
        before = self.dropped_pairs
        self.dropped_pairs = min(max(1, 2 * before), len(self._pairs))
        return self.dropped_pairs > before

    def body(self) -> dict[str, Any]:
        """The JSON of the request."""
        left_out = {index for pair in self._pairs[: self.dropped_pairs] for index in pair}
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [turn for index, turn in enumerate(self._turns) if index not in left_out],
            "stream": True,
            "options": self._options(),
            # By default Ollama leaves out what does not fit, and tells nobody.
            "truncate": False,
            "shift": False,
        }
        if self.has_think:
            body["think"] = False
        if self._sampling.logprobs:
            body |= {"logprobs": True, "top_logprobs": self._sampling.logprobs}
        return body

    def _options(self) -> dict[str, Any]:
        sampling = self._sampling
        options: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "repeat_penalty": sampling.repetition_penalty,
            "seed": sampling.seed,
            "num_predict": sampling.max_tokens,
        }
        if sampling.repetition_penalty != 1:
            # The whole conversation, as with the engine; Ollama looks back 64 tokens by itself.
            options["repeat_last_n"] = -1
        if sampling.stop:
            # Without any the model keeps its own.
            options["stop"] = list(sampling.stop)
        return options


def _draw(request: OllamaRequest, address: Address, call: ServerCall) -> Iterator[Event]:
    """In the stream's thread."""
    while True:
        try:
            yield from _ask(request, address, call)
        except ServerError as error:
            can_be_mended = (error.code == PROMPT_TOO_LONG and request.drop_more()) or (
                error.code == THINKING_UNKNOWN and request.has_think
            )
            if not can_be_mended:
                raise
            request.has_think = request.has_think and error.code != THINKING_UNKNOWN
        else:
            return


def _ask(request: OllamaRequest, address: Address, call: ServerCall) -> Iterator[Event]:
    with call.post(f"{address.public}/api/chat", request.body()) as answer:
        if answer.status != OK:
            raise refusal(answer)
        drawn = OllamaAnswer(request.begun_at, request.dropped_turns)
        yield from drawn.follow(answer.lines())


def _oldest_pairs(turns: Sequence[ChatTurn]) -> list[list[int]]:
    """Turns that may be left out, oldest first: each question with what follows it up to the next."""
    pairs: list[list[int]] = []
    for index, turn in enumerate(turns[:-1]):
        if turn["role"] == "system":
            continue
        if turn["role"] == "user" or not pairs:
            pairs.append([])
        pairs[-1].append(index)
    return pairs
