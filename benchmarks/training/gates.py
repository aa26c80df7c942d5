"""What must hold before a time counts: the engine computes what PEFT computes, and its file works there.

A worker process of its own. Losses after training are compared by the benchmark itself, between the arms.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from benchmarks.training.corpora import DATASET_TYPES, records
from benchmarks.training.ours import as_rows
from benchmarks.training.peers import padded
from benchmarks.training.work import SEED, Setup, TokenRow, read_corpora
from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.data.batching import micro_batches
from engine.export.peft_adapter import WEIGHTS
from engine.models.devices import choose_device, set_threads
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef, TrainingSpec
from engine.tests.factories import write_records
from engine.training.passes import AdaptedModel, learn
from engine.training.run import TrainingRun

COMPARED = 4
MICRO_BATCH_TOKENS = 1024
SAVED_EXAMPLES = 8
B_DEVIATION = 0.02
"""Of the normal numbers put into B, about what a short training leaves there."""


def make(kind: str, setup: Setup) -> Gates:
    return Gates(setup)


class Gates:
    """The engine and a model of the libraries side by side in one process."""

    def __init__(self, setup: Setup) -> None:
        set_threads()
        self._setup = setup
        self._ref = BaseModelRef(**setup.model)
        self._lora = LoraHyperparameters.from_mapping(setup.lora)
        self._host = ModelHost(choose_device("cpu"))
        self._resident = self._host.acquire(self._ref)
        self._corpora = read_corpora(setup.rows_path)

    def gradient(self, corpus: str) -> dict[str, float]:
        """Error of one batch's gradient against PEFT through transformers in float64.

        Returns:
            The largest difference as a share of the largest gradient: of the engine in both ways, and of the library
            itself in float32 to hold them against.
        """
        rows = self._corpora[corpus].trained[:COMPARED]
        library = self._library(self._setup.adapter_path, is_trainable=True)
        state = _with_b(load_file(Path(self._setup.adapter_path) / WEIGHTS))
        for name, parameter in _trained(library).items():
            parameter.data.copy_(state[name])
        plain = _library_gradients(library, rows)
        exact = _library_gradients(library.double(), rows)
        errors = {"library": _error(plain, exact)}
        for way, share_prefix in (("prefix once", True), ("prefix repeated", False)):
            own = self._own_gradients(state, rows, share_prefix=share_prefix)
            if set(own) != set(exact):
                raise RuntimeError(f"other weights: {sorted(set(own) ^ set(exact))[:3]}")
            errors[way] = _error(own, exact)
        return errors

    def saved_adapter(self, corpus: str) -> float:
        """Train a small job and load its folder with PEFT: the logits of held-out examples there, in float64, and ours.

        Returns:
            The largest difference as a share of the largest logit.
        """
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data.jsonl"
            path, digest = write_records(data, records(corpus)[:SAVED_EXAMPLES])
            spec = TrainingSpec(
                base_model=self._ref,
                dataset_path=path,
                dataset_digest=digest,
                dataset_type=DATASET_TYPES[corpus],
                output_dir=str(Path(folder) / "adapter"),
                lora=self._lora,
                training=TrainingHyperparameters(learning_rate=1e-3, num_epochs=2),
            )
            end = list(TrainingRun("gate", spec, self._host))[-1]
            if end["type"] != "finished":
                raise RuntimeError(json.dumps(end))
            library = self._library(spec.output_dir).eval().double()
            state = load_file(Path(spec.output_dir) / WEIGHTS)
        rows = self._corpora[corpus].held_out[:COMPARED]
        own = dict(enumerate(self._own_logits(state, rows)))
        # The engine leaves out what follows the last label.
        exact = {index: _library_logits(library, rows[index])[: len(own[index])] for index in own}
        return _error(own, exact)

    def _library(self, adapter_path: str, *, is_trainable: bool = False) -> Any:
        base = AutoModelForCausalLM.from_pretrained(self._ref.path, dtype=torch.float32)
        return PeftModel.from_pretrained(base, adapter_path, is_trainable=is_trainable)

    def _own_gradients(
        self, state: dict[str, torch.Tensor], rows: list[TokenRow], *, share_prefix: bool
    ) -> dict[str, torch.Tensor]:
        adapters = self._resident.adapters
        adapter = self._adapter(state)
        adapters.activate(adapter, is_training=True)
        batch = as_rows(rows)
        count = sum(row.label_count for row in batch)
        for part in micro_batches(batch, MICRO_BATCH_TOKENS, share_prefix=share_prefix):
            for _ in learn(self._model(adapter), part, count):
                pass
        found = {}
        for name, parameter in self._resident.model.named_parameters():
            if f".{adapter}." in name:
                assert parameter.grad is not None
                found["base_model.model." + name.replace(f".{adapter}.", ".")] = parameter.grad
        adapters.delete(adapter)
        return found

    def _own_logits(
        self, state: dict[str, torch.Tensor], rows: list[TokenRow]
    ) -> list[torch.Tensor]:
        adapter = self._adapter(state)
        model = self._model(adapter)
        found = []
        for row in as_rows(rows):
            (batch,) = micro_batches([row], MICRO_BATCH_TOKENS)
            with torch.no_grad():
                hidden = model.decoder.embed(batch)
                around = model.decoder.surroundings(batch, hidden)
                for block in model.blocks:
                    hidden = block(hidden, around)
                normed = model.decoder.final_norm(hidden)
                found.append(model.decoder.products.linear(normed, model.head))
        self._resident.adapters.delete(adapter)
        return found

    def _adapter(self, state: dict[str, torch.Tensor]) -> str:
        adapter = self._resident.adapters.add(self._lora, seed=SEED)
        self._resident.adapters.load_state_dict(adapter, state)
        return adapter

    def _model(self, adapter: str) -> AdaptedModel:
        resident = self._resident
        return AdaptedModel(resident.packed, resident.packed.blocks(adapter), resident.head_weight)


def _with_b(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A fresh adapter's B is zero, and with it every gradient of A: here it is not."""
    generator = torch.Generator().manual_seed(SEED)
    return {
        name: value + B_DEVIATION * torch.randn(value.shape, generator=generator)
        if "lora_B" in name
        else value
        for name, value in sorted(state.items())
    }


def _trained(library: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter's weights under the keys of PEFT's files."""
    return {
        name.replace(".default.", "."): parameter
        for name, parameter in library.named_parameters()
        if parameter.requires_grad
    }


def _library_gradients(library: nn.Module, rows: list[TokenRow]) -> dict[str, torch.Tensor]:
    """Of the mean loss over the labels of the batch, through the library's padded forward pass."""
    library.zero_grad()
    batch = padded(rows)
    labels = batch.pop("labels")[:, 1:].flatten()
    logits = library(**batch, use_cache=False).logits[:, :-1].flatten(0, 1)
    functional.cross_entropy(logits, labels, ignore_index=-100).backward()
    found = {}
    for name, parameter in _trained(library).items():
        assert parameter.grad is not None
        found[name] = parameter.grad.clone()
    return found


def _error(found: dict[Any, torch.Tensor], exact: dict[Any, torch.Tensor]) -> float:
    """The largest difference as a share of the largest exact value."""
    difference = max(float((found[key] - exact[key]).abs().max()) for key in found)
    return difference / max(float(value.abs().max()) for value in exact.values())


@torch.no_grad()
def _library_logits(library: nn.Module, row: TokenRow) -> torch.Tensor:
    batch = padded([row])
    del batch["labels"]
    logits: torch.Tensor = library(**batch, use_cache=False).logits[0]
    return logits
