"""One training job and eight chats at once through one engine process, as a lesson has them. Torch-free."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.chatting.plan import Prompt, Setup, percentile
from benchmarks.spine import LEVEL_1
from engine.client import EngineClient
from engine.config import LoraHyperparameters, SamplingParams, TrainingHyperparameters
from engine.models.cache import file_sha256
from engine.protocol import BaseModelRef, GenerationSpec, TrainingSpec

CHATS = 8
EPOCHS = 60


@dataclass(frozen=True, slots=True)
class Mixed:
    """What the two had of each other.

    Attributes:
        alone_seconds, with_chats_seconds: of the same job.
        first_token_seconds: of every answer that began while the job ran.
        gap_seconds: between two pieces of one answer.
        tokens: of the answers that ended while the job ran.
        paths: of them, how many were drawn in which way.
    """

    alone_seconds: float
    with_chats_seconds: float
    first_token_seconds: list[float]
    gap_seconds: list[float]
    tokens: int
    paths: dict[str, int]

    @property
    def slowdown(self) -> float:
        return self.with_chats_seconds / self.alone_seconds

    @property
    def first_token_p95(self) -> float:
        return percentile(self.first_token_seconds, 0.95)

    @property
    def gap_p95(self) -> float:
        return percentile(self.gap_seconds, 0.95)

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON holds them."""
        return {
            "alone_seconds": self.alone_seconds,
            "with_chats_seconds": self.with_chats_seconds,
            "slowdown": self.slowdown,
            "answers": len(self.first_token_seconds),
            "first_token_p50": percentile(self.first_token_seconds, 0.5),
            "first_token_p95": self.first_token_p95,
            "gap_p95": self.gap_p95,
            "tokens": self.tokens,
            "paths": self.paths,
        }


def run_mixed(
    setup: Setup, prompts: list[dict[str, Any]], tokens: int, epochs: int, folder: Path
) -> Mixed:
    """Train alone, then beside eight students who each ask something else as soon as they have their answer."""
    client = EngineClient(folder / "mixed.log")
    try:
        client.start()
        ref = BaseModelRef(**setup.model)
        *_, loaded = client.load(ref)
        _must(loaded, "loaded")
        students = [
            [
                _question(setup, ref, student, Prompt(**prompts[number]), tokens)
                for number in range(student, len(prompts), CHATS)
            ]
            for student in range(CHATS)
        ]
        for student, specs in enumerate(students):
            # The room and the adapters are read before anything is timed.
            *_, end = client.submit_generation(specs[0], f"warm-{student}")
            _must(end, "finished")
        job = _job(ref, epochs, folder)
        _train(client, replace(job, training=_settings(2)), "warm-job")
        alone = _train(client, job, "alone")
        # Not the first question again: a message that is asked once more is drawn where it was, however many ask now.
        chats = _Chats(client, [specs[1:] for specs in students])
        chats.start()
        beside = _train(client, job, "beside")
        chats.stop()
        return Mixed(
            alone,
            beside,
            chats.first_token_seconds,
            chats.gap_seconds,
            chats.tokens,
            dict(chats.paths),
        )
    finally:
        client.close()


class _Chats:
    """Students who keep asking until they are stopped.

    Args:
        questions: of each, asked one after another and then from the first on.
    """

    def __init__(self, client: EngineClient, questions: list[list[GenerationSpec]]) -> None:
        self._client = client
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._chat, args=(student, specs))
            for student, specs in enumerate(questions)
        ]
        self._failures: list[Any] = []
        self.first_token_seconds: list[float] = []
        self.gap_seconds: list[float] = []
        self.tokens = 0
        self.paths: Counter[str] = Counter()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the answers under way, which count no more."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise SystemExit(f"a chat failed: {self._failures[0]}")

    def _chat(self, student: int, specs: list[GenerationSpec]) -> None:
        number = 0
        while not self._is_over.is_set():
            started, last = time.perf_counter(), None
            work = self._client.submit_generation(
                specs[number % len(specs)], f"chat-{student}-{number}"
            )
            number += 1
            for event in work:
                now = time.perf_counter()
                if self._is_over.is_set():
                    work.cancel()
                elif event["type"] == "text":
                    if last is None:
                        self.first_token_seconds.append(now - started)
                    else:
                        self.gap_seconds.append(now - last)
                    last = now
                elif event["type"] == "finished":
                    self.tokens += event["usage"]["completion_tokens"]
                    self.paths[event["timings"]["path"]] += 1
                elif event["type"] == "failed":
                    self._failures.append(event)
                    return


def _question(
    setup: Setup, ref: BaseModelRef, student: int, prompt: Prompt, tokens: int
) -> GenerationSpec:
    folder = setup.adapter(student)
    return GenerationSpec(
        base_model=ref,
        turns=prompt.turns,  # type: ignore[arg-type]
        sampling=SamplingParams.from_mapping({"temperature": 0, "max_tokens": tokens}),
        adapter_path=str(folder),
        adapter_digest=file_sha256(folder / "adapter_model.safetensors"),
        owner=str(student),
    )


def _settings(epochs: int) -> TrainingHyperparameters:
    return TrainingHyperparameters.from_mapping(
        {"learning_rate": 2e-3, "num_epochs": epochs, "batch_size": 5, "max_length": 256}
    )


def _job(ref: BaseModelRef, epochs: int, folder: Path) -> TrainingSpec:
    return TrainingSpec(
        base_model=ref,
        dataset_path=str(LEVEL_1),
        dataset_digest=file_sha256(LEVEL_1),
        dataset_type="instruction",
        output_dir=str(folder / "job"),
        lora=LoraHyperparameters(r=8, alpha=16),
        training=_settings(epochs),
    )


def _train(client: EngineClient, job: TrainingSpec, work_id: str) -> float:
    started = time.perf_counter()
    *_, end = client.submit_training(
        replace(job, output_dir=f"{job.output_dir}-{work_id}"), work_id
    )
    _must(end, "finished")
    return time.perf_counter() - started


def _must(event: dict[str, Any], kind: str) -> None:
    if event["type"] != kind:
        raise SystemExit(f"the engine answered {event}")
