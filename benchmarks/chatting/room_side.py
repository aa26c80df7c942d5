"""The engine's room as a side of the chat benchmark, and what is asked of the engine beside it."""

from __future__ import annotations

import datetime
import os
import platform
import random
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.chatting.plan import PROMPT_TOKENS, STUDENTS, Prompt, Run, Setup
from benchmarks.training.memory import forget_peak, peak_bytes
from engine.config import SamplingParams
from engine.data.records import Turn
from engine.inference.llama_cpp.files import base_file
from engine.inference.llama_cpp.model import LlamaModel
from engine.inference.llama_cpp.room import LlamaRoom
from engine.inference.llama_cpp.trial import try_out
from engine.inference.room import DecodeRoom
from engine.models.cache import file_sha256
from engine.models.chat_precision import FLOAT32, Choice, choose, forced
from engine.models.devices import choose_device, set_threads
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef, GenerationSpec

PRODUCT_ROWS = (1, 4, 8, 16, 30)
_PRODUCT_ROUNDS = 5
_PACKAGES = ("torch", "transformers", "peft", "xllamacpp")
_WORDS = (
    *(
        "rivers",
        "bread",
        "clocks",
        "winter",
        "bridges",
        "music",
        "maps",
        "gardens",
        "paper",
        "salt",
        "trains",
    ),
    *(
        "storms",
        "colours",
        "wool",
        "lamps",
        "horses",
        "glass",
        "letters",
        "islands",
        "honey",
        "stone",
        "boats",
    ),
    *("and", "the", "of", "in", "for", "with", "about", "old", "new", "small", "good", "many"),
)


def make(setup: Setup) -> RoomSide:
    return RoomSide(setup)


class RoomSide:
    """A resident model and a room on it."""

    def __init__(self, setup: Setup) -> None:
        set_threads()
        self._setup = setup
        self._digests: dict[int, str] = {}
        self._bytes_before = peak_bytes()
        host = ModelHost(choose_device("cpu"))
        self._resident: ResidentModel = host.acquire(BaseModelRef(**setup.model))
        # Every answer is drawn to its full length.
        self._resident.chat_format.stop_ids = frozenset()
        self._choice: Choice = FLOAT32
        self._room: DecodeRoom | LlamaRoom | None = None

    def describe(self) -> dict[str, Any]:
        """This machine as the engine's process sees it."""
        return {
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "processor": self._resident.device.name,
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
        }

    def prompts(self) -> list[dict[str, Any]]:
        """One prompt for each student, all of the same length."""
        return [asdict(self._prompt(student)) for student in range(STUDENTS)]

    def choice(self) -> dict[str, Any]:
        """What the engine would take by itself on this host."""
        return _told(choose(self._resident))

    def prepare(self, precision: str) -> dict[str, Any] | None:
        """Open the room in a precision; None where this host has none of its products."""
        try:
            self._choice = forced(self._resident, precision)  # type: ignore[arg-type]
        except NotImplementedError:
            return None
        self._room = DecodeRoom(self._resident, self._choice.linears, precision=precision)
        return _told(self._choice)

    def prepare_llama(self, folder: str) -> None:
        """Open llama.cpp in this process in place of the room."""
        model, threads = self._llama_model(folder), torch.get_num_threads()
        self._room = LlamaRoom(model, self._resident, Path(folder), threads=threads)

    def llama_rows(self, folder: str) -> int:
        """How many answers at once the engine would let llama.cpp draw on this host."""
        model, threads = self._llama_model(folder), torch.get_num_threads()
        return try_out(model, self._resident, threads=threads).most_rows

    def _llama_model(self, folder: str) -> LlamaModel:
        return LlamaModel(base_file(Path(folder), self._resident.ref, "Q8_0"))

    def products(self) -> list[float]:
        """Milliseconds that the products of one decoding step take, for each of PRODUCT_ROWS."""
        resident = self._resident
        linears = self._choice.linears
        keys = [item for block in resident.packed.frozen for item in block]
        if linears is None:
            way = resident.packed.products.linear
            weights = [*(key.weight for key in keys), resident.head_weight]
            calls = [(lambda rows, w=weight: way(rows, w), weight.shape[1]) for weight in weights]
        else:
            sizes = [key.weight.shape[1] for key in keys]
            calls = list(zip((linears[key] for key in keys), sizes, strict=True))
            calls.append((linears["head"], resident.head_weight.shape[1]))
        found = []
        with torch.no_grad():
            for count in PRODUCT_ROWS:
                inputs = {size: torch.randn(count, size) for _, size in calls}
                rounds = []
                for _ in range(_PRODUCT_ROUNDS):
                    started = time.perf_counter()
                    for call, size in calls:
                        call(inputs[size])
                    rounds.append(time.perf_counter() - started)
                found.append(1000 * min(rounds))
        return found

    def run(self, prompts: list[dict[str, Any]], tokens: int) -> Run:
        """All students ask at once; each has an adapter of its own, read before."""
        room = self._room
        assert room is not None
        specs = [self._spec(student, Prompt(**prompt), 1) for student, prompt in enumerate(prompts)]
        for student, spec in enumerate(specs):
            self._join(f"warm-{student}", spec)
        while not room.is_idle:
            room.step()
        forget_peak(is_trimmed=False)
        run = Run([[] for _ in prompts], [0] * len(prompts), [""] * len(prompts), 0)
        started = time.perf_counter()
        for student, prompt in enumerate(prompts):
            self._join(str(student), self._spec(student, Prompt(**prompt), tokens))
        while not room.is_idle:
            for event in room.step():
                _record(run, event, time.perf_counter() - started)
        return Run(run.times, run.tokens, run.texts, peak_bytes())

    def _join(self, work_id: str, spec: GenerationSpec) -> None:
        if isinstance(self._room, LlamaRoom):
            self._room.join(work_id, spec, self._resident)
        elif self._room is not None:
            self._room.join(work_id, spec)

    def memory(self) -> dict[str, int]:
        """Bytes of the process before and after everything was read."""
        return {"before_bytes": self._bytes_before, "peak_bytes": peak_bytes()}

    def _spec(self, student: int, prompt: Prompt, tokens: int) -> GenerationSpec:
        folder = self._setup.adapter(student)
        if student not in self._digests:
            self._digests[student] = file_sha256(folder / "adapter_model.safetensors")
        return GenerationSpec(
            base_model=BaseModelRef(**self._setup.model),
            turns=prompt.turns,  # type: ignore[arg-type]
            sampling=SamplingParams.from_mapping({"temperature": 0, "max_tokens": tokens}),
            adapter_path=str(folder),
            adapter_digest=self._digests[student],
            owner=str(student),
        )

    def _prompt(self, student: int) -> Prompt:
        dice = random.Random(student)
        text = "Write about"
        while True:
            longer = f"{text} {dice.choice(_WORDS)}"
            ids = self._prompt_ids(longer)
            if len(ids) <= PROMPT_TOKENS:
                text = longer
            if len(ids) == PROMPT_TOKENS:
                return Prompt(text, ids)

    def _prompt_ids(self, text: str) -> list[int]:
        turns = [Turn(turn["role"], turn["content"], False) for turn in Prompt(text, []).turns]
        return list(self._resident.chat_format.prompt(turns))


def _record(run: Run, event: dict[str, Any], seconds: float) -> None:
    if event["type"] not in ("text", "finished"):
        raise RuntimeError(str(event))
    student = int(event["work_id"])
    if event["type"] == "text":
        run.times[student].append(seconds)
        run.texts[student] += event["text"]
    else:
        run.tokens[student] = event["usage"]["completion_tokens"]


def _told(choice: Choice) -> dict[str, Any]:
    return {
        "precision": choice.precision,
        "gain": choice.gain,
        "size_bytes": choice.size_bytes,
        "quality": None if choice.quality is None else asdict(choice.quality),
        "is_enough": choice.quality is None or choice.quality.is_enough,
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
