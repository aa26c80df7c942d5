"""Ollama fetches a model from its library, and tells how far it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from common.remote import Patience
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.values import plain_text, whole_number
from modelhub.ollama.wire import OllamaCall, Told

FIRST_SECONDS = 120.0
"""The library is asked first, and may be slow."""
SILENCE_SECONDS = 900.0
"""At the end Ollama reads everything once more, and says nothing meanwhile."""
MAX_STATUS_CHARACTERS = 200
MOST_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class PullProgress:
    """
    Attributes:
        status: in Ollama's words, such as `pulling manifest`.
        total_bytes: of the layers that it has begun; grows.
    """

    status: str = ""
    total_bytes: int = 0
    completed_bytes: int = 0


class Pull(threading.Thread):
    """One model on its way. Ollama goes on where an earlier pull of the model was broken off.

    Attributes:
        progress: the latest.
        error: why it ended, unless all went well.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=f"ollama-pull {name}", daemon=True)
        self.progress = PullProgress()
        self.error: OllamaError | None = None
        self._layers: dict[str, tuple[int, int]] = {}
        self._ended = threading.Event()
        self._call = OllamaCall(
            "POST",
            "/api/pull",
            {"model": name, "stream": True},
            Patience(FIRST_SECONDS, SILENCE_SECONDS),
        )

    def wait_ended(self, timeout_seconds: float) -> bool:
        """Whether it has ended within that time."""
        return self._ended.wait(timeout_seconds)

    def close(self) -> None:
        """Break it off; from any thread, returns at once. What Ollama has fetched by now it keeps for the next time."""
        self._call.close()

    def run(self) -> None:
        try:
            self._follow()
        except OllamaError as error:
            self.error = error
        finally:
            self._ended.set()

    def _follow(self) -> None:
        for line in self._call.lines():
            self._note(line)
            if self.progress.status == "success":
                return
        raise OllamaError("cut_off", "it ended without success")

    def _note(self, line: Told) -> None:
        digest = plain_text(line.get("digest"))
        if digest and (digest in self._layers or len(self._layers) < MOST_LAYERS):
            total = whole_number(line.get("total"))
            self._layers[digest] = (total, min(whole_number(line.get("completed")), total))
        largest = 2**63 - 1
        self.progress = PullProgress(
            status=plain_text(line.get("status"))[:MAX_STATUS_CHARACTERS],
            total_bytes=min(sum(total for total, _ in self._layers.values()), largest),
            completed_bytes=min(sum(done for _, done in self._layers.values()), largest),
        )
