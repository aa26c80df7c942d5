"""The engine as an arm of the training benchmark: a resident model, and its Stepper driven as a job drives it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.training.ablations import ABLATIONS, WHOLE, Ablation
from benchmarks.training.corpora import DATASET_TYPES, TRAINED, records
from benchmarks.training.limit import Speeds, seconds_of
from benchmarks.training.machine import describe, pace
from benchmarks.training.memory import forget_peak, peak_bytes
from benchmarks.training.work import (
    SEED,
    Outcome,
    Setup,
    TokenCorpus,
    TokenRow,
    Work,
    read_corpora,
    write_corpora,
)
from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.data.batching import Row, epoch_batches, micro_batches
from engine.data.records import read_example
from engine.export.peft_adapter import write_weights
from engine.models.devices import choose_device, set_threads
from engine.models.loading import ModelHost, ResidentModel, load_base_model
from engine.protocol import BaseModelRef
from engine.training.memory import plan_passes
from engine.training.step import Stepper, StepResult


def make(kind: str, setup: Setup) -> EngineArm:
    return EngineArm(setup)


class EngineArm:
    """One process's engine.

    Args:
        setup: its files need not exist before `prepare`.
    """

    def __init__(self, setup: Setup) -> None:
        set_threads()
        self._setup = setup
        self._ref = BaseModelRef(**setup.model)
        self._lora = LoraHyperparameters.from_mapping(setup.lora)
        self._host = ModelHost(choose_device("cpu"))
        self.resident: ResidentModel = self._host.acquire(self._ref)
        self._corpora: dict[str, TokenCorpus] = {}

    def prepare(self) -> None:
        """Write the files of the setup: the tokenised corpora, and the adapter that every arm starts from."""
        write_corpora(
            self._setup.rows_path, {name: self._tokenized(name) for name in DATASET_TYPES}
        )
        adapter = self.resident.adapters.add(self._lora, seed=SEED)
        folder = Path(self._setup.adapter_path)
        folder.mkdir()
        state = self.resident.adapters.state_dict(adapter)
        write_weights(folder, state, self._lora, self._ref.name)
        self.resident.adapters.delete(adapter)

    def describe(self, *, rounds: int) -> dict[str, Any]:
        """This machine as the engine's process sees it."""
        return describe(self._host.products, rounds)

    def run(self, work: dict[str, Any]) -> Outcome:
        """Train as Work asks, from a fresh adapter."""
        return self._run(Work(**work))

    def limit(self, work: dict[str, Any], speeds: list[list[Any]]) -> dict[str, float]:
        """Seconds that the necessary products alone would take at the machine's pace of this moment.

        Returns:
            Beside them the pace, the dataset's tokens, and the share of these that are computed at all.
        """
        wanted = Work(**work)
        now = pace(self._host.products, speeds)
        computed, tokens, seconds = 0, 0, 0.0
        plan = self._plan(wanted, self.resident)
        for rows in self._batches(wanted):
            batches = micro_batches(rows, plan.micro_batch_tokens)
            seconds += sum(seconds_of(batch, Speeds(speeds)) for batch in batches)
            computed += sum(len(batch.input_ids) for batch in batches)
            tokens += sum(len(row.input_ids) for row in rows)
        share = computed / tokens
        return {"seconds": seconds / now, "pace": now, "tokens": tokens, "computed_share": share}

    def _tokenized(self, name: str) -> TokenCorpus:
        examples = [read_example(record, DATASET_TYPES[name]) for record in records(name)]
        tokenized = [self.resident.chat_format.tokenize(example) for example in examples]
        rows = [TokenRow(example.input_ids, example.is_label) for example in tokenized]
        return TokenCorpus(rows[:TRAINED], rows[TRAINED:])

    def _corpus(self, name: str) -> TokenCorpus:
        if not self._corpora:
            self._corpora = read_corpora(self._setup.rows_path)
        return self._corpora[name]

    def _batches(self, work: Work) -> list[list[Row]]:
        rows = as_rows(self._corpus(work.corpus).trained[: work.examples])
        batches = epoch_batches(work.examples, work.batch_size, seed=SEED, epoch=work.epoch)
        return [[rows[index] for index in batch] for batch in list(batches)[: work.steps]]

    def _plan(self, work: Work, resident: ResidentModel) -> Any:
        longest = self._corpus(work.corpus).longest(work.examples)
        return plan_passes(resident, self._lora, _training(work), longest)

    def _run(self, work: Work) -> Outcome:
        ablation = ABLATIONS.get(work.way, WHOLE)
        batches = self._batches(work)
        tokens = sum(len(row.input_ids) for rows in batches for row in rows)
        forget_peak(is_trimmed=work.is_probe)
        started = time.perf_counter()
        resident = self._resident_of(ablation)
        with ablation.patch(resident):
            adapter = resident.adapters.add(self._lora, seed=SEED)
            plan = ablation.plan(self._plan(work, resident))
            stepper = ablation.stepper(resident, adapter, _training(work), plan)
            if not ablation.is_cold:
                started = time.perf_counter()
            results = [_finish(stepper.step(rows, work.learning_rate)) for rows in batches]
            seconds = time.perf_counter() - started
        losses = [result.loss_sum / result.label_count for result in results]
        peak = peak_bytes()
        held_out = self._held_out(work, stepper) if work.is_measured else None
        resident.adapters.delete(adapter)
        return Outcome(seconds, tokens, losses, peak, held_out)

    def _resident_of(self, ablation: Ablation) -> ResidentModel:
        if ablation.is_cold:
            return load_base_model(self._ref, self._host.device, self._host.products)
        return self.resident

    def _held_out(self, work: Work, stepper: Stepper) -> float:
        return float(_finish(stepper.evaluate(as_rows(self._corpus(work.corpus).held_out))))


def as_rows(rows: Sequence[TokenRow]) -> list[Row]:
    """Rows as the engine's dataset gives them."""
    return [Row(row.input_ids, bytes(row.is_label)) for row in rows]


def _training(work: Work) -> TrainingHyperparameters:
    return TrainingHyperparameters(
        learning_rate=work.learning_rate,
        batch_size=work.batch_size,
        warmup_ratio=0.0,
        lr_scheduler="constant",
    )


def _finish(parts: Iterator[None]) -> StepResult | Any:
    """Go through work that yields between its parts, and return its result."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            return end.value
