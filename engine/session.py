"""The engine by hand, in one process: train, measure and ask from a REPL, a notebook or a script.

    from engine.session import Session

    session = Session()
    for event in session.train([{"instruction": "Who are you?", "output": "A lantern."}], "adapter", num_epochs=20):
        print(event)
    print(session.ask("Who are you?", adapter="adapter"))

The engine process of a worker uses the same parts through a pipe (engine.server, engine.client).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.catalog import SMOLLM2
from engine.config import LoraHyperparameters, SamplingParams, TrainingHyperparameters
from engine.data.dataset import numbered_lines
from engine.data.records import DatasetType, detect_type
from engine.errors import DatasetError
from engine.inference.run import GenerationRun
from engine.models.bundled import prepare_bundled
from engine.models.cache import file_sha256, local_base_model
from engine.models.devices import choose_device, set_threads
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef, ChatTurn, GenerationSpec, TrainingSpec
from engine.training.run import TrainingRun

DEFAULT_CACHE_DIR = Path.home() / ".llmlora" / "models"

Records = Sequence[Mapping[str, Any]] | Path | str
"""Records in the shapes of engine.data.records, or a JSONL file of them."""


class Session:
    """One base model on one device.

    Args:
        base_model: folder with config.json, model.safetensors and tokenizer.json; the bundled model when not given.
        device: cpu, cuda or mps; the best one present when not given.
        cache_dir: where the bundled model is unpacked, once; DEFAULT_CACHE_DIR when not given.

    Raises:
        UnsupportedModelError: the device or the model is not there.
    """

    def __init__(
        self,
        base_model: Path | str | None = None,
        *,
        device: str | None = None,
        cache_dir: Path | str | None = None,
    ) -> None:
        set_threads()
        self.host = ModelHost(choose_device(device))
        self.base_model: BaseModelRef = (
            prepare_bundled(cache_dir or DEFAULT_CACHE_DIR, SMOLLM2)
            if base_model is None
            else local_base_model(Path(base_model).name, base_model)
        )

    def train(
        self,
        records: Records,
        output_dir: Path | str,
        *,
        lora: Mapping[str, Any] | None = None,
        evaluate_on: Records | None = None,
        ask: Sequence[str] = (),
        **training: Any,
    ) -> Iterator[dict[str, Any]]:
        """Train an adapter; goes on from the last checkpoint of the same call that was interrupted.

        Args:
            records: what is learned.
            output_dir: the adapter's folder, as PEFT reads it; replaced when it exists.
            lora: values of LoraHyperparameters.
            evaluate_on: what is only measured.
            ask: questions that the learning adapter answers at each evaluation.
            training: values of TrainingHyperparameters.

        Returns:
            The events of engine.protocol as they come; the last is `finished`.

        Raises:
            InvalidConfigError: a value is out of range.
            EngineError: the job ended without a result.
        """
        output_dir = Path(output_dir).resolve()
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        learned = _as_file(records, output_dir.with_name(f"{output_dir.name}.records.jsonl"))
        measured: tuple[str, str, DatasetType] = ("", "", "instruction")
        if evaluate_on is not None:
            measured = _as_file(
                evaluate_on, output_dir.with_name(f"{output_dir.name}.evaluation.jsonl")
            )
        spec = TrainingSpec(
            base_model=self.base_model,
            dataset_path=learned[0],
            dataset_digest=learned[1],
            dataset_type=learned[2],
            output_dir=str(output_dir),
            lora=LoraHyperparameters.from_mapping(lora or {}),
            training=TrainingHyperparameters.from_mapping(training),
            eval_dataset_path=measured[0],
            eval_dataset_digest=measured[1],
            eval_dataset_type=measured[2],
            sample_prompts=tuple(ask),
        )
        return iter(TrainingRun(output_dir.name, spec, self.host))

    def ask(self, question: str, *, adapter: Path | str | None = None, **sampling: Any) -> str:
        """One answer; greedy unless `sampling` says otherwise.

        Args:
            adapter: folder of a trained adapter; the untouched base model when not given.
            sampling: values of SamplingParams.

        Raises:
            EngineError: the adapter does not fit, or the question is too long.
        """
        turns: list[ChatTurn] = [{"role": "user", "content": question}]
        spec = GenerationSpec(
            base_model=self.base_model,
            turns=turns,
            sampling=SamplingParams.from_mapping({"temperature": 0} | sampling),
            adapter_path=None if adapter is None else str(adapter),
        )
        events = GenerationRun("answer", spec, self.host)
        return "".join(event["text"] for event in events if event["type"] == "text").strip()


def _as_file(records: Records, target: Path) -> tuple[str, str, DatasetType]:
    """Path, digest and type of a JSONL file, written to `target` when the records are not one already."""
    path = Path(records) if isinstance(records, Path | str) else target
    if not isinstance(records, Path | str):
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        path.write_text("".join(lines), encoding="utf-8")
    first = next(numbered_lines(path), None)
    record = None if first is None else json.loads(first[1])
    kind = detect_type(record) if isinstance(record, dict) else None
    if kind is None:
        raise DatasetError("the first record has no known shape", reason="bad_line", line=1)
    return str(path), file_sha256(path), kind
