"""Which answers llama.cpp draws: few at a time on a CPU, where it was measured to be faster and close enough.

What a base model needs for it is made in the background, while the room draws; a host that has no llama.cpp, or a model
that llama.cpp would not compute faithfully, stays with the room. LLMLORA_CHAT_ENGINE says `auto`, `room`, or
`llama_cpp`, which takes it for whatever it can do without regard to speed and quality.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch

from engine.errors import EngineError
from engine.export.gguf_adapter import is_plain_lora
from engine.export.gguf_bare import LAYOUT_VERSION, check_writable
from engine.export.gguf_base import WeightFormat
from engine.inference.llama_cpp.binding import PACKAGE, find_library
from engine.inference.llama_cpp.files import base_file
from engine.inference.llama_cpp.model import LlamaModel
from engine.inference.llama_cpp.room import LlamaRoom
from engine.inference.llama_cpp.trial import ROWS, Trial, remembered_trial, try_out
from engine.inference.prompts import read_prompt
from engine.protocol import BaseModelRef, GenerationSpec

if TYPE_CHECKING:
    from engine.inference.prompts import Prompt
    from engine.models.loading import ResidentModel

logger = logging.getLogger(__name__)

ENGINE_VARIABLE = "LLMLORA_CHAT_ENGINE"
Engine = Literal["auto", "room", "llama_cpp"]

_REMEMBERED_MESSAGES = 512


def read_chat_engine(wanted: str | None = None) -> Engine:
    """What is wanted, else what the environment says, else auto."""
    chosen = wanted or os.environ.get(ENGINE_VARIABLE) or "auto"
    if chosen not in get_args(Engine):
        logger.warning("%s=%s is not known; taking auto", ENGINE_VARIABLE, chosen)
        return "auto"
    return cast(Engine, chosen)


class _Prepared:
    """What llama.cpp has of one base model; `room` appears when all is ready."""

    def __init__(self) -> None:
        self.room: LlamaRoom | None = None
        self.trial: Trial | None = None
        self.is_dropped = False
        self.lock = threading.Lock()


class LlamaChoice:
    """Says for each request whether llama.cpp draws it, and holds its rooms.

    Args:
        cache: folder for its files.
        is_resident: whether the engine still holds a base model.
        engine: one of Engine; that of the environment when not given.
        format: of the weights.
        is_patient: whether the first request waits until all is ready, for tests and the REPL.
    """

    def __init__(
        self,
        cache: Path,
        is_resident: Callable[[BaseModelRef], bool],
        engine: str | None = None,
        *,
        format: WeightFormat = "Q8_0",
        is_patient: bool = False,
    ) -> None:
        self._cache, self._is_resident = cache, is_resident
        self.engine = read_chat_engine(engine)
        self._format, self._is_patient = format, is_patient
        self._prepared: dict[str, tuple[BaseModelRef, _Prepared]] = {}
        self._messages: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._kept_out: OrderedDict[str, None] = OrderedDict()

    def rooms(self) -> list[LlamaRoom]:
        """Those that have answers under way."""
        found = [prepared.room for _, prepared in self._prepared.values()]
        return [room for room in found if room is not None and not room.is_idle]

    def prepare(self, resident: ResidentModel) -> None:
        """Begin to make what a base model needs, unless that is under way or of no use."""
        if self._is_possible(resident):
            self._prepare(resident)

    def choose(
        self, resident: ResidentModel, spec: GenerationSpec, under_way: int
    ) -> tuple[LlamaRoom, Prompt] | None:
        """The room of llama.cpp that a request goes to and its prompt; None for the engine's own room.

        Args:
            under_way: answers of the same base model, and requests that may become some.
        """
        if spec.scored_answer or not self._is_possible(resident):
            return None
        session = _session(spec)
        if not is_plain_lora(spec.adapter_path):
            # What stands beside such an adapter is drawn as it is, from here on.
            self.keep_out(spec)
            return None
        prepared = self._prepare(resident)
        if prepared.room is None or session in self._kept_out:
            return None
        prompt = _read_prompt(resident, spec)
        if prompt is None or not prepared.room.has_memory(_longest(resident, spec, prompt)):
            return None
        message = (session, spec.turns[-1]["content"])
        known = self._messages.get(message) if session else None
        is_taken = self._is_worth(prepared, spec, prompt, under_way) if known is None else known
        is_taken = is_taken and prepared.room.row_count < ROWS[-1]
        if session:
            _remember(self._messages, message, is_taken)
        return (prepared.room, prompt) if is_taken else None

    def keep_out(self, spec: GenerationSpec) -> None:
        """Draw the rest of a session elsewhere: llama.cpp failed to begin an answer of it."""
        if session := _session(spec):
            _remember(self._kept_out, session, None)

    def close(self) -> None:
        """Drop all answers without a word, and free everything."""
        for digest in list(self._prepared):
            self._drop(digest)

    def _is_possible(self, resident: ResidentModel) -> bool:
        is_dense_cpu = resident.device.kind == "cpu" and not resident.is_four_bit
        return self.engine != "room" and is_dense_cpu

    def _is_worth(
        self, prepared: _Prepared, spec: GenerationSpec, prompt: Prompt, under_way: int
    ) -> bool:
        room, trial = prepared.room, prepared.trial
        assert room is not None
        if self.engine == "llama_cpp" or trial is None:
            return True
        rows = under_way + 1
        unread = room.unread_count(spec, prompt)
        return rows <= trial.most_rows and trial.is_worth(unread, spec.sampling.max_tokens, rows)

    def _prepare(self, resident: ResidentModel) -> _Prepared:
        for digest, (ref, _) in list(self._prepared.items()):
            if not self._is_resident(ref):
                self._drop(digest)
        digest = resident.ref.digest
        if digest not in self._prepared:
            self._prepared[digest] = (resident.ref, _Prepared())
            prepared = self._prepared[digest][1]
            # Asked for here, in the thread that owns it: the room measures itself when it is made.
            _ = resident.room
            thread = threading.Thread(
                target=self._make, args=(prepared, resident), name="llama-cpp", daemon=True
            )
            thread.start()
            if self._is_patient:
                thread.join()
        return self._prepared[digest][1]

    def _make(self, prepared: _Prepared, resident: ResidentModel) -> None:
        """In a thread of its own: file, weights, trial; whatever fails leaves the room to the engine."""
        try:
            room, trial = self._made(resident)
        except Exception as failure:  # noqa: BLE001 - the engine's own room goes on
            log = logger.info if isinstance(failure, EngineError) else logger.exception
            log("llama.cpp draws no answers of %s: %s", resident.ref.name, failure)
            return
        with prepared.lock:
            if prepared.is_dropped or (trial is not None and not trial.most_rows):
                room.free()
            else:
                prepared.trial, prepared.room = trial, room

    def _made(self, resident: ResidentModel) -> tuple[LlamaRoom, Trial | None]:
        if find_library() is None:
            raise EngineError("it is not installed")
        check_writable(Path(resident.ref.path), self._format)
        file = base_file(self._cache, resident.ref, self._format)
        threads = torch.get_num_threads()
        room = LlamaRoom(
            LlamaModel(file), resident, self._cache, threads=threads, precision=self._format
        )
        if self.engine == "llama_cpp":
            return room, None
        memory = file.with_name(f"trial-{self._format}.json")
        host = _host(resident, threads)
        try:
            trial = remembered_trial(
                memory, host, lambda: try_out(room.model, resident, threads=threads)
            )
        except BaseException:
            room.free()
            raise
        logger.info("llama.cpp draws up to %s answers at once: %s", trial.most_rows, trial)
        return room, trial

    def _drop(self, digest: str) -> None:
        _, prepared = self._prepared.pop(digest)
        with prepared.lock:
            prepared.is_dropped = True
            if prepared.room is not None:
                prepared.room.free()


def _session(spec: GenerationSpec) -> str:
    """Key of what is compared: the session of a conversation, else whoever asks; empty for nobody in particular."""
    return spec.conversation.partition(":")[0] or spec.owner


def _host(resident: ResidentModel, threads: int) -> dict[str, Any]:
    return {
        "processor": resident.device.name,
        "torch": torch.__version__,
        PACKAGE: metadata.version(PACKAGE),
        "threads": threads,
        "room": resident.room.precision,
        "layout": LAYOUT_VERSION,
    }


def _read_prompt(resident: ResidentModel, spec: GenerationSpec) -> Prompt | None:
    """None where the room shall say what is wrong with it."""
    try:
        return read_prompt(spec, resident.chat_format, resident.context_length)
    except EngineError:
        return None


def _longest(resident: ResidentModel, spec: GenerationSpec, prompt: Prompt) -> int:
    return min(len(prompt.token_ids) + spec.sampling.max_tokens, resident.context_length)


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED_MESSAGES:
        known.popitem(last=False)
