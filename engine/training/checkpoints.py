"""Points of a running job to go on from: each appears whole, proves itself by its digests, and the last KEPT remain.

A checkpoint holds the adapter as plain PEFT files, the optimizer's tensors, the generator's state, the best adapter so
far, and what the job has told. The schedule and the order of the data follow from the step and the seed. Only
safetensors and JSON are written, so that reading a checkpoint runs no code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from engine.crash_points import hit
from engine.durable import folder_written_whole, write_bytes
from engine.export.peft_adapter import WEIGHTS, write_weights
from engine.protocol import TrainingSpec

logger = logging.getLogger(__name__)

KEPT = 2
FORMAT_VERSION = 1
_MANIFEST = "checkpoint.json"
_STATE = "state.json"
_OPTIMIZER = "optimizer.safetensors"
_BEST = "best.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A job after some step.

    Attributes:
        step: optimizer steps done.
        adapter: weights under PEFT's keys.
        optimizer: tensors of Stepper.state.
        best: weights of the best evaluation, empty when none is kept.
        progress: JSON values of everything else.
    """

    step: int
    adapter: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    best: Mapping[str, torch.Tensor]
    progress: Mapping[str, Any]


class CheckpointFolder:
    """The checkpoints of one job, in spec.checkpoint_dir or beside its output."""

    def __init__(self, spec: TrainingSpec) -> None:
        self._spec = spec
        output_dir = Path(spec.output_dir)
        beside = output_dir.with_name(f"{output_dir.name}.checkpoints")
        self._folder = Path(spec.checkpoint_dir) if spec.checkpoint_dir else beside
        self._fingerprint = fingerprint(spec)

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint and drop the oldest beyond KEPT.

        Raises:
            DiskFullError: no space left; the older checkpoints stay.
        """
        target = self._folder / f"checkpoint-{checkpoint.step}"
        spec = self._spec
        with folder_written_whole(target) as folder:
            write_weights(folder, checkpoint.adapter, spec.lora, spec.base_model.name)
            hit("P7")
            write_bytes(folder / _OPTIMIZER, save(dict(checkpoint.optimizer)))
            if checkpoint.best:
                write_bytes(folder / _BEST, save(dict(checkpoint.best)))
            write_bytes(folder / _STATE, json.dumps(dict(checkpoint.progress)).encode())
            manifest = {
                "format_version": FORMAT_VERSION,
                "step": checkpoint.step,
                "fingerprint": self._fingerprint,
                "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
            }
            write_bytes(folder / _MANIFEST, json.dumps(manifest, indent=2).encode())
        for old in self.saved()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def saved(self) -> list[Path]:
        """Folders of checkpoints, oldest first, whether they prove themselves or not."""
        found = [
            path
            for path in self._folder.glob("checkpoint-*")
            if path.is_dir() and path.name.partition("-")[2].isdigit()
        ]
        return sorted(found, key=lambda path: int(path.name.partition("-")[2]))

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint of this very job whose files are all there and unchanged."""
        for path in reversed(self.saved()):
            try:
                return self._read(path)
            except (OSError, ValueError, KeyError, TypeError) as failure:
                logger.warning("checkpoint %s is not used: %s", path.name, failure)
        return None

    def discard(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, path: Path) -> Checkpoint:
        manifest = json.loads((path / _MANIFEST).read_bytes())
        if (manifest["format_version"], manifest["fingerprint"]) != (
            FORMAT_VERSION,
            self._fingerprint,
        ):
            raise ValueError("made for another job")
        contents = {}
        for name, digest in manifest["files"].items():
            data = (path / name).read_bytes()
            if hashlib.sha256(data).hexdigest() != digest:
                raise ValueError(f"{name} is damaged")
            contents[name] = data
        return Checkpoint(
            step=int(manifest["step"]),
            adapter=load(contents[WEIGHTS]),
            optimizer=load(contents[_OPTIMIZER]),
            best=load(contents[_BEST]) if _BEST in contents else {},
            progress=json.loads(contents[_STATE]),
        )


def fingerprint(spec: TrainingSpec) -> str:
    """Digest of all that decides what a job learns, wherever its files lie."""
    identity = {
        "base_model": spec.base_model.digest,
        "datasets": [spec.dataset_digest, spec.eval_dataset_digest],
        "types": [spec.dataset_type, spec.eval_dataset_type],
        "sample_prompts": list(spec.sample_prompts),
        "lora": asdict(spec.lora),
        "training": asdict(spec.training),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
