"""Copies of the adapter while a job runs, in `<output_dir>.partial/checkpoints/checkpoint-<step>`.

Each appears whole; the last KEPT remain. When the job succeeds they move into the finished folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from engine.durable import disk_full_told, folder_written_whole
from engine.export.peft_adapter import write_weights
from engine.protocol import TrainingSpec

KEPT = 2


class CheckpointFolder:
    """The checkpoints of one job."""

    def __init__(self, spec: TrainingSpec) -> None:
        self._spec = spec
        self._output_dir = Path(spec.output_dir)
        self._partial = self._output_dir.with_name(f"{self._output_dir.name}.partial")
        self._folder = self._partial / "checkpoints"

    def save(self, step: int, state: Mapping[str, torch.Tensor]) -> Path:
        """Write the adapter as it is after `step` steps and drop the oldest beyond KEPT.

        Raises:
            DiskFullError: no space left; the older checkpoints stay.
        """
        target = self._folder / f"checkpoint-{step}"
        with folder_written_whole(target) as folder:
            write_weights(folder, state, self._spec.lora, self._spec.base_model.name)
        for old in self.saved()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def saved(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        found = [path for path in self._folder.glob("checkpoint-*") if path.is_dir()]
        return sorted(found, key=lambda path: int(path.name.partition("-")[2]))

    def keep(self) -> None:
        """Move the checkpoints into the finished folder."""
        if self._folder.is_dir():
            with disk_full_told(self._output_dir):
                os.replace(self._folder, self._output_dir / "checkpoints")
        self.discard()

    def discard(self) -> None:
        """Remove everything that an unfinished job left."""
        shutil.rmtree(self._partial, ignore_errors=True)
