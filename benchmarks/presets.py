"""What each preset really does: loss before and after, answers learned by heart, seconds.

Training presets run on a small class catalogue made here (24 questions with invented answers that no model
knows), LoRA presets on the first course's five examples. `python -m benchmarks.presets [name ...]`
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.spine import LEVEL_1
from engine.catalog import SMOLLM2
from engine.client import EngineClient
from engine.config import LoraHyperparameters, SamplingParams, TrainingHyperparameters
from engine.models.cache import find_prepared
from engine.presets import LORA_PRESETS, TRAINING_PRESETS
from engine.protocol import BaseModelRef, GenerationSpec, TrainingSpec
from llmlora_site.home import Home

PLANTS = (
    "fern",
    "moss",
    "clover",
    "poppy",
    "thistle",
    "ivy",
    "lupin",
    "sorrel",
    "yarrow",
    "violet",
    "teasel",
    "bramble",
)
COLOURS = ("amber", "teal", "ivory", "rust")
ASKED = 8


def catalogue() -> list[dict[str, str]]:
    """24 examples: where each plant of an invented garden stands, and what it is good for."""
    records = []
    for number, plant in enumerate(PLANTS):
        colour = COLOURS[number % len(COLOURS)]
        records.append(
            {
                "instruction": f"Where does the {plant} grow in our garden?",
                "output": f"The {plant} grows in the {colour} bed, row {number + 3}, beside the old pump.",
            }
        )
        records.append(
            {
                "instruction": f"What do we use the {plant} for?",
                "output": f"We dry the {plant} for {number + 2} days and press it into {colour} paper.",
            }
        )
    return records


class Bench:
    """One engine, and one job after another."""

    def __init__(self, base_model: BaseModelRef, folder: Path) -> None:
        self.base_model = base_model
        self.folder = folder
        self.client = EngineClient(folder / "engine.log")
        for event in self.client.load(base_model):
            if event["type"] == "failed":
                raise SystemExit(f"the base model could not be loaded: {event['detail']}")

    def run(
        self,
        name: str,
        records: list[dict[str, str]],
        lora: LoraHyperparameters,
        training: TrainingHyperparameters,
    ) -> dict[str, Any]:
        data = self.folder / f"{name}.jsonl"
        data.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        digest = hashlib.sha256(data.read_bytes()).hexdigest()
        spec = TrainingSpec(
            self.base_model,
            str(data),
            digest,
            "instruction",
            str(self.folder / name),
            lora,
            training,
        )
        started = time.perf_counter()
        losses: list[float] = []
        end: dict[str, Any] = {}
        for event in self.client.submit_training(spec, work_id=name):
            if event["type"] == "step":
                losses.append(event["loss"])
            end = event
        seconds = time.perf_counter() - started
        asked = records[:: max(1, len(records) // ASKED)][:ASKED]
        known = sum(
            self._answer(end, record["instruction"]) == record["output"] for record in asked
        )
        return {
            "first": losses[0],
            "last": losses[-1],
            "steps": len(losses),
            "known": f"{known} of {len(asked)}",
            "seconds": seconds,
        }

    def _answer(self, end: dict[str, Any], question: str) -> str:
        spec = GenerationSpec(
            base_model=self.base_model,
            turns=[{"role": "user", "content": question}],
            sampling=SamplingParams(temperature=0, max_tokens=40),
            adapter_path=end["output_dir"],
            adapter_digest=end["adapter_digest"],
        )
        events = self.client.submit_generation(spec, work_id=f"ask-{time.monotonic_ns()}")
        return "".join(event["text"] for event in events if event["type"] == "text").strip()


def main(wanted: list[str]) -> None:
    base_model = find_prepared(Home.from_environment().model_cache, SMOLLM2)
    if base_model is None:
        raise SystemExit("The base model is not prepared yet: start llmlora once.")
    level_1 = [json.loads(line) for line in LEVEL_1.read_text(encoding="utf-8").splitlines()]
    quick = next(preset.settings for preset in TRAINING_PRESETS if preset.name == "quick_test")
    balanced = next(preset.settings for preset in LORA_PRESETS if preset.name == "balanced")
    arms = [(preset.name, level_1, preset.settings, quick) for preset in LORA_PRESETS]
    arms += [(preset.name, catalogue(), balanced, preset.settings) for preset in TRAINING_PRESETS]
    print(
        "| Preset | Examples | Steps | First loss | Last loss | By heart | Seconds |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(base_model, Path(folder))
        for name, records, lora, training in arms:
            if wanted and name not in wanted:
                continue
            row = bench.run(name, records, lora, training)
            print(
                f"| {name} | {len(records)} | {row['steps']} | {row['first']:.2f} | {row['last']:.3f} | {row['known']} "
                f"| {row['seconds']:.0f} |",
                flush=True,
            )
        bench.client.close()


if __name__ == "__main__":
    main(sys.argv[1:])
