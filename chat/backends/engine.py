"""This host's engine as a back end."""

from __future__ import annotations

from chat.backends.base import Stream
from chat.execution.specs import generation_spec
from chat.models import Reply
from modelhub.chat_servers import ENGINE
from modelhub.execution import engine


class EngineBackend:
    name = ENGINE

    def submit(self, reply: Reply, work_id: str) -> Stream:
        return engine().submit_generation(generation_spec(reply), work_id=work_id)

    def close(self) -> None:
        """The engine is the worker's, which closes it when the desk is closed."""
