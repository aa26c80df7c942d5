"""TRL and transformers' Trainer over PEFT as arms of the training benchmark.

They get the engine's token ids, labels, batches and initial adapter. Every run makes a new trainer over the model that
stays loaded; the time counts from the start of its loop to the end of its last step.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import PeftModel
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    DataCollatorWithFlattening,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer, pack_dataset

from benchmarks.training.memory import forget_peak, peak_bytes
from benchmarks.training.work import SEED, Outcome, Setup, TokenRow, Work, read_corpora
from engine.data.batching import epoch_batches

EVALUATED_TOGETHER = 8


def make(kind: str, setup: Setup) -> PeerArm:
    return PeerArm(setup, {"trl": _trl_trainer, "trainer": _plain_trainer}[kind])


class _Clock(TrainerCallback):
    """When the loop began and when its last step ended."""

    def __init__(self) -> None:
        self.started = self.ended = 0.0

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ended = time.perf_counter()


class _Recording:
    """A trainer that keeps each step's loss."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step_losses: list[torch.Tensor] = []

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*args, **kwargs)  # type: ignore[misc]
        self.step_losses.append(loss)
        return loss


class _RecordingSft(_Recording, SFTTrainer):
    pass


class _RecordingTrainer(_Recording, Trainer):
    pass


MakeTrainer = Callable[["PeerArm", Work, Dataset, TrainerCallback], Any]


class PeerArm:
    """A loaded model with PEFT's adapter, trained again and again from the same start."""

    def __init__(self, setup: Setup, make_trainer: MakeTrainer) -> None:
        disable_progress_bars()
        self._make_trainer = make_trainer
        self._corpora = read_corpora(setup.rows_path)
        self.tokenizer = AutoTokenizer.from_pretrained(setup.model["path"])
        base = AutoModelForCausalLM.from_pretrained(setup.model["path"], dtype=torch.float32)
        self.model = PeftModel.from_pretrained(base, setup.adapter_path, is_trainable=True)
        self._start = {
            name: value.detach().clone()
            for name, value in self.model.named_parameters()
            if value.requires_grad
        }

    def run(self, work: dict[str, Any]) -> Outcome:
        """Train as Work asks; its `way` is the mode."""
        return self._run(Work(**work))

    def _run(self, work: Work) -> Outcome:
        self._reset()
        rows = self._rows(work)
        dataset = Dataset.from_dict(
            {"input_ids": [row.input_ids for row in rows], "labels": [_labels(row) for row in rows]}
        )
        clock = _Clock()
        forget_peak(is_trimmed=work.is_probe)
        with tempfile.TemporaryDirectory() as self.folder:
            trainer = self._make_trainer(self, work, dataset, clock)
            trainer.train()
        peak = peak_bytes()
        return Outcome(
            clock.ended - clock.started,
            sum(len(row.input_ids) for row in rows),
            [float(loss) for loss in trainer.step_losses],
            peak,
            self._held_out(work) if work.is_measured else None,
        )

    def _reset(self) -> None:
        """What a trainer left on the model would be there twice in the next run."""
        base = self.model.get_base_model()
        base.__dict__.pop("forward", None)  # TRL's head
        base.gradient_checkpointing_disable()
        if getattr(base, "_require_grads_hook", None) is not None:
            base.disable_input_require_grads()
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                if name in self._start:
                    value.copy_(self._start[name])
                    value.grad = None

    def _rows(self, work: Work) -> list[TokenRow]:
        rows = self._corpora[work.corpus].trained
        batches = epoch_batches(work.examples, work.batch_size, seed=SEED, epoch=work.epoch)
        return [rows[index] for batch in list(batches)[: work.steps] for index in batch]

    @torch.no_grad()
    def _held_out(self, work: Work) -> float:
        """Mean loss per label, by transformers' plain forward pass."""
        self._forget_head()
        self.model.eval()
        rows = self._corpora[work.corpus].held_out
        total = count = 0.0
        for start in range(0, len(rows), EVALUATED_TOGETHER):
            batch = padded(rows[start : start + EVALUATED_TOGETHER])
            labels = batch.pop("labels")[:, 1:]
            logits = self.model(**batch, use_cache=False).logits[:, :-1]
            total += float(
                functional.cross_entropy(
                    logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
                )
            )
            count += int((labels != -100).sum())
        return total / count

    def _forget_head(self) -> None:
        self.model.get_base_model().__dict__.pop("forward", None)


def padded(rows: list[TokenRow]) -> dict[str, torch.Tensor]:
    """A batch as transformers takes it, filled up at the right."""
    width = max(len(row.input_ids) for row in rows)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        length = len(row.input_ids)
        columns["input_ids"].append([*row.input_ids, *[0] * (width - length)])
        columns["attention_mask"].append([1] * length + [0] * (width - length))
        columns["labels"].append([*_labels(row), *[-100] * (width - length)])
    return {name: torch.tensor(values) for name, values in columns.items()}


def _labels(row: TokenRow) -> list[int]:
    return [
        token if label else -100 for token, label in zip(row.input_ids, row.is_label, strict=True)
    ]


def _common(arm: PeerArm, work: Work) -> dict[str, Any]:
    """What every trainer is told: the device and number format, and what the comparison fixes."""
    return {
        "output_dir": arm.folder,
        "use_cpu": True,
        "bf16": False,
        "per_device_train_batch_size": work.batch_size,
        "num_train_epochs": 1,
        "learning_rate": work.learning_rate,
        "lr_scheduler_type": "constant",
        "train_sampling_strategy": "group_by_length" if work.way == "grouped" else "sequential",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
    }


_TUNED = {"gradient_checkpointing": False, "optim": "adamw_torch_fused", "logging_steps": 10}


def _trl_trainer(arm: PeerArm, work: Work, dataset: Dataset, clock: TrainerCallback) -> Any:
    """Modes: default (TRL's own settings), padded, grouped, padding-free, packed."""
    options: dict[str, Any] = {"dataset_kwargs": {"skip_prepare_dataset": True}}
    if work.way != "default":
        options |= _TUNED
    if work.way == "padding-free":
        options |= {"padding_free": True, "max_length": None}
    if work.way == "packed":
        lengths = [len(ids) for ids in dataset["input_ids"]]
        length = max(*lengths, round(work.batch_size * sum(lengths) / len(lengths)))
        dataset = pack_dataset(dataset, length, "bfd")
        options |= {"packing": True, "max_length": length, "per_device_train_batch_size": 1}
    return _RecordingSft(
        model=arm.model,
        args=SFTConfig(**_common(arm, work) | options),
        train_dataset=dataset,
        processing_class=arm.tokenizer,
        callbacks=[clock],
    )


def _plain_trainer(arm: PeerArm, work: Work, dataset: Dataset, clock: TrainerCallback) -> Any:
    """Modes: padded, grouped, padding-free."""
    collator = (
        DataCollatorWithFlattening()
        if work.way == "padding-free"
        else DataCollatorForSeq2Seq(arm.tokenizer, padding=True)
    )
    return _RecordingTrainer(
        model=arm.model,
        args=TrainingArguments(**_common(arm, work) | _TUNED),
        train_dataset=dataset,
        data_collator=collator,
        processing_class=arm.tokenizer,
        callbacks=[clock],
    )
