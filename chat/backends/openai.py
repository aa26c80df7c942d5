"""Any server of the chat completions protocol as a back end: vLLM, llama.cpp, SGLang, LM Studio and others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.conf import settings

from chat.backends.base import Event, Stream
from chat.backends.calls import ServerCall
from chat.backends.failures import KEY_REFUSED, NO_MODEL, ServerError
from chat.backends.openai_failures import names_extra_field, refusal
from chat.backends.openai_request import ChatRequest
from chat.backends.openai_stream import DrawnAnswer
from chat.backends.server_adapters import AdapterShelf, ServedAdapter
from chat.backends.streams import EndedStream, RemoteBackend
from chat.execution.specs import adapter_of
from chat.models import Reply
from modelhub.chat_servers import ChatServer
from modelhub.server_keys import KeyUnusableError, authorization_of

NOT_SCORED = "not_scored"
SETTINGS_UNKNOWN = "server_settings"
OK = 200


class OpenAiBackend(RemoteBackend):
    """One server of LLMLORA_CHAT_SERVERS."""

    def __init__(self, server: ChatServer) -> None:
        super().__init__(server.name)
        self._at = server
        self._shelf = AdapterShelf(server.url)
        self._has_extras = True

    def submit(self, reply: Reply, work_id: str) -> Stream:
        if reply.scored_text:
            return EndedStream(self.failed(NOT_SCORED))
        adapter, request = adapter_of(reply), ChatRequest(reply)
        try:
            call = ServerCall(settings.CHAT_SERVER_SILENCE_SECONDS, authorization_of(self._at))
        except KeyUnusableError as error:
            return EndedStream(self.failed(KEY_REFUSED, str(error)))
        if adapter is None:
            model = self._at.models[reply.answerer.base_model.name]
            return self.begin(work_id, partial(self._draw, request, model), call)
        served = ServedAdapter.of(adapter, self._at.adapter_path)
        return self.begin(work_id, partial(self._draw_tuned, request, served), call)

    # --- in a stream's thread -------------------------------------------------------------------------

    def _draw_tuned(
        self, request: ChatRequest, adapter: ServedAdapter, call: ServerCall
    ) -> Iterator[Event]:
        with self._shelf.held(call, adapter):
            try:
                yield from self._draw(request, adapter.name, call)
            except ServerError as error:
                if error.code != NO_MODEL:
                    raise
                self._shelf.forget(adapter.name)
                self._shelf.load(call, adapter)
                yield from self._draw(request, adapter.name, call)

    def _draw(self, request: ChatRequest, model: str, call: ServerCall) -> Iterator[Event]:
        has_extras = self._has_extras or request.needs_extras
        try:
            yield from self._ask(request, request.body(model, has_extras=has_extras), call)
        except ServerError as error:
            if not (has_extras and names_extra_field(error)):
                raise
            if request.needs_extras:
                raise ServerError(SETTINGS_UNKNOWN, error.detail, status=error.status) from error
            self._has_extras = False
            yield from self._ask(request, request.body(model, has_extras=False), call)

    def _ask(self, request: ChatRequest, body: dict[str, Any], call: ServerCall) -> Iterator[Event]:
        with call.post(f"{self._at.url}/chat/completions", body) as answer:
            if answer.status != OK:
                raise refusal(answer)
            yield from DrawnAnswer(self.name, request.begun_at).follow(answer.lines())
