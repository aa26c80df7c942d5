"""The chat benchmark's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.chatting.arms import ARMS, OURS, SAME_PRECISION
from benchmarks.chatting.mixed import CHATS, Mixed
from benchmarks.chatting.plan import ANSWER_TOKENS, PROMPT_TOKENS, STUDENTS, Figures, Run
from benchmarks.training.report import GIB, Gate, gates_table

MIB = 2**20
LABELS = {arm.name: arm.label for arm in ARMS}


@dataclass(slots=True)
class Report:
    """All that one run of the benchmark found.

    Attributes:
        runs: by arm and number of students, of all rounds.
        choices: by precision, what it takes and gives.
        chosen: the precision that the engine takes by itself on this host.
        llama_rows: answers at once that it lets llama.cpp draw here, by its own trial.
        products: by precision, milliseconds of one step's products.
        void: arms whose gate failed, and why.
    """

    command: str
    machine: dict[str, Any]
    adapter_bytes: int
    tokens: int = ANSWER_TOKENS
    runs: dict[tuple[str, int], list[Run]] = field(default_factory=dict)
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)
    chosen: str = "float32"
    llama_rows: int = 0
    products: dict[str, list[float]] = field(default_factory=dict)
    product_rows: tuple[int, ...] = ()
    gates: list[Gate] = field(default_factory=list)
    void: dict[str, str] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    mixed: Mixed | None = None
    notes: list[str] = field(default_factory=list)

    def figures(self, arm: str, users: int) -> Figures | None:
        """None where it was not measured, or counts for nothing."""
        runs = self.runs.get((arm, users))
        return Figures.of(runs) if runs and arm not in self.void else None

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON holds them."""
        return {
            "command": self.command,
            "machine": self.machine,
            "tokens": self.tokens,
            "adapter_bytes": self.adapter_bytes,
            "cells": [
                {"arm": arm, "users": users, "rounds": len(runs)} | asdict(Figures.of(runs))
                for (arm, users), runs in sorted(self.runs.items())
            ],
            "choices": self.choices,
            "chosen": self.chosen,
            "llama_rows": self.llama_rows,
            "products_milliseconds": self.products,
            "product_rows": self.product_rows,
            "gates": [asdict(gate) | {"is_passed": gate.is_passed} for gate in self.gates],
            "void": self.void,
            "memory": self.memory,
            "mixed": None if self.mixed is None else self.mixed.to_dict(),
            "goals": [list(goal) for goal in goals(self)],
            "notes": self.notes,
        }

    def to_markdown(self) -> str:
        return "\n\n".join(["# Chats with many adapters", *self._parts()]) + "\n"

    def _parts(self) -> Iterator[str]:
        machine = self.machine
        packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
        yield (
            f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
            f"{machine['capability']}; Python {machine['python']}, {packages}; load before the start "
            f"{machine['load']:.2f}. SmolLM2-135M-Instruct, {STUDENTS} random adapters of rank 8 on all seven linear "
            f"layers. `{self.command}`"
        )
        if self.notes:
            yield "\n".join(f"- {note}" for note in self.notes)
        yield goals_table(self)
        for users in sorted({users for _, users in self.runs}, reverse=True):
            yield _cell_table(self, users)
        if self.mixed is not None:
            yield mixed_text(self.mixed)
        yield "## Must hold\n\n" + gates_table(self.gates)
        if self.void:
            yield "\n".join(f"- VOID, {arm}: {why}" for arm, why in self.void.items())
        yield _precisions_table(self)
        yield "## How to read it\n\n" + _NOTES


_NOTES = f"""All students ask in the same moment, each for an adapter of its own; prompts are {PROMPT_TOKENS} tokens \
long and share no beginning but the system prompt, which no arm keeps. Stop tokens do not end an answer. Tokens a \
second count all answers from that moment to the last token, reading the prompts included. Models and adapters are \
loaded before. Arms take turns in each round; given is the median over the rounds and its 95 % interval (bootstrap), \
or n where there were fewer than three. A cell that takes long is measured once.

PEFT serves one after another, so what few students see is read from the run of all: it is the same run. llama-server \
runs in a process of its own with two threads and a slot for each student; its clients read the stream over HTTP. It \
decodes requests with different adapters in turn; with one adapter for all it decodes them together, its best case.

Against one model for each job stands what such models take in PEFT's process, each with its adapter and the keys and \
values of an answer, by the first one and what two further ones added; their weights are read as float32 from the \
bfloat16 in which the model is published. Ours is what the engine's process took in float32 for the model, all \
adapters and the keys and values of all answers. Both count from before the first model. Memory is the peak of the \
process (resident), for llama-server what it holds at the end (proportional set)."""


def goals(report: Report) -> Iterator[tuple[str, str, str]]:
    """(what, found, verdict) of each goal that this run can tell of."""
    most, best = STUDENTS, OURS[report.chosen]
    yield from _ratio(report, "float32 against PEFT, 30 students", "ours-float32", "peft", most, 15)
    yield from _ratio(report, f"{report.chosen} against PEFT, 30 students", best, "peft", most, 25)
    yield from _ratio(
        report, f"{report.chosen} against llama-server Q8_0", best, "llama-q8", most, 2.5
    )
    one = "ours-llama" if report.llama_rows else best
    yield from _ratio(report, f"one student, against PEFT ({LABELS[one]})", one, "peft", 1, 5)
    ours, theirs = report.figures("ours-float32", most), report.figures("peft", most)
    if ours and theirs:
        share = theirs.first_token_p95 / ours.first_token_p95
        yield (
            "first token p95, float32, PEFT's by ours, at least 40",
            f"{share:.0f}",
            _verdict(share >= 40),
        )
    for arm, other in SAME_PRECISION.items():
        for users in (1, 4):
            label = f"{arm} against {other}, {users} student{'s' if users > 1 else ''}"
            yield from _ratio(report, label, arm, other, users, 0.8)
    if report.memory:
        share = memory_ratio(report)
        yield (
            f"memory: {STUDENTS} models by one with {STUDENTS} adapters, at least 15",
            f"{share:.1f} (of the weights alone {weights_ratio(report):.1f})",
            _verdict(share >= 15),
        )
    if report.mixed is not None:
        mixed = report.mixed
        yield (
            "first token p95 beside training, at most 2 s",
            f"{mixed.first_token_p95:.2f} s",
            _verdict(mixed.first_token_p95 <= 2),
        )
        yield (
            "training beside chats, at most twice as long",
            f"x {mixed.slowdown:.2f}",
            _verdict(mixed.slowdown <= 2),
        )


def memory_ratio(report: Report) -> float:
    """One model for each job against one with all adapters, by what the processes took."""
    memory = report.memory
    theirs = memory["first_model_bytes"] + (STUDENTS - 1) * memory["one_model_bytes"]
    return theirs / memory["ours_bytes"]


def weights_ratio(report: Report) -> float:
    """The same by the sizes of the files."""
    model, adapter = report.memory["model_bytes"], report.adapter_bytes
    return STUDENTS * (model + adapter) / (model + STUDENTS * adapter)


def _ratio(
    report: Report, label: str, arm: str, other: str, users: int, goal: float
) -> Iterator[tuple[str, str, str]]:
    ours, theirs = report.figures(arm, users), report.figures(other, users)
    if ours and theirs:
        ratio = ours.tokens_per_second.median / theirs.tokens_per_second.median
        yield f"{label}, at least x {goal:g}", f"x {ratio:.2f}", _verdict(ratio >= goal)


def _verdict(is_met: bool) -> str:  # noqa: FBT001 - reads as it stands
    return "met" if is_met else "**missed**"


def goals_table(report: Report) -> str:
    rows = ["| Goal | Found | |", "|---|---|---|"]
    return "\n".join(rows + [f"| {' | '.join(goal)} |" for goal in goals(report)])


def _cell_table(report: Report, users: int) -> str:
    rows = [
        f"## {users} student{'s' if users > 1 else ''}\n",
        "| | tokens/s | first token p50 | p95 | between tokens p95 | memory |",
        "|---|---|---|---|---|---|",
    ]
    for arm in ARMS:
        found = report.figures(arm.name, users)
        if found is not None:
            rows.append(
                f"| {arm.label} | {found.tokens_per_second.text(1)} | {found.first_token_p50:.2f} s "
                f"| {found.first_token_p95:.2f} s | {1000 * found.gap_p95:.0f} ms "
                f"| {found.memory_bytes / GIB:.2f} GiB |"
            )
    return "\n".join(rows)


def mixed_text(mixed: Mixed) -> str:
    return (
        f"## A job and {CHATS} chats\n\nThe same job through one engine process alone and beside {CHATS} students who "
        f"each ask something else as soon as they have their answer: {mixed.alone_seconds:.1f} s and "
        f"{mixed.with_chats_seconds:.1f} s (x {mixed.slowdown:.2f}). {len(mixed.first_token_seconds)} answers began "
        f"meanwhile, their first token came after {mixed.first_token_p95:.2f} s (p95), the next ones "
        f"{mixed.gap_p95:.2f} s apart (p95); "
        f"{mixed.tokens / mixed.with_chats_seconds:.0f} tokens/s of finished answers. Drawn by: "
        + ", ".join(f"{path} {count}" for path, count in sorted(mixed.paths.items()))
        + "."
    )


def _precisions_table(report: Report) -> str:
    rows = [
        "## Precisions of the frozen weights in chats\n",
        f"The engine takes {report.chosen} here by itself. Milliseconds are those of one step's products; memory comes "
        "on top of the float32 weights, which training needs. Answers at once that it leaves to llama.cpp on this "
        f"host, by a trial of its own: {report.llama_rows}.\n",
        "| | "
        + " | ".join(f"M = {count}" for count in report.product_rows)
        + " | divergence (nats) | same first choice | loss by float32's | memory |",
        "|---|" + "---|" * (len(report.product_rows) + 4),
    ]
    for precision, milliseconds in report.products.items():
        choice = report.choices[precision]
        quality = choice["quality"] or {"kl_nats": 0.0, "top1_agreement": 1.0, "loss_ratio": 1.0}
        cells = [f"{value:.1f}" for value in milliseconds]
        cells += [
            f"{quality['kl_nats']:.4f}",
            f"{100 * quality['top1_agreement']:.1f} %",
            f"{quality['loss_ratio']:.4f}",
            f"{choice['size_bytes'] / MIB:.0f} MiB",
        ]
        rows.append(f"| {precision} | {' | '.join(cells)} |")
    return "\n".join(rows)
