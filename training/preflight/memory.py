"""Whether a job fits into the memory of one device, by the rule that the engine itself goes by. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.training.footprint import (
    SHARE,
    ModelShape,
    PassPlan,
    fitting_passes,
    fixed_bytes,
    least_bytes,
    recompute_choices,
    token_bytes,
)

Verdict = Literal["fits", "tight", "does_not_fit", "unknown"]

TIGHT_SHARE = 0.8
"""Of what a job may take: above it, another program that grows leaves too little."""

ORDER: tuple[Verdict, ...] = ("fits", "unknown", "tight", "does_not_fit")
"""From best to worst."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Attributes:
    needed_bytes: what the job takes beside the resident base model.
    memory_bytes: with it, as the device was seen to hold it.
    room_bytes: what a job may take of the free memory.
    is_slowed: blocks are computed twice, because memory is short.
    """

    verdict: Verdict
    needed_bytes: int
    memory_bytes: int
    room_bytes: int
    total_bytes: int
    passes: PassPlan
    is_slowed: bool

    @property
    def share(self) -> float:
        """Of the room, 0 to more than 1."""
        return self.needed_bytes / self.room_bytes if self.room_bytes else 1.0


def memory_of(
    shape: ModelShape,
    lora: LoraHyperparameters,
    training: TrainingHyperparameters,
    *,
    longest: int,
    batch_tokens: float,
    resident_bytes: int,
    available_bytes: int,
    total_bytes: int,
    factor: float = 1.0,
) -> Memory:
    """Args:
    longest: tokens of the longest example.
    batch_tokens: of the largest step.
    resident_bytes: what the engine held with the base model, and nothing else.
    available_bytes: what was free then.
    factor: of what the device was seen to hold, to what is reckoned. The verdict goes by the latter, as the engine.
    """
    room = int(available_bytes * SHARE)
    least = least_bytes(shape, lora, training, longest)
    plan = fitting_passes(shape, lora, training, longest, available_bytes)
    if plan is None:
        needed, verdict = least, "does_not_fit"
        plan = PassPlan(longest, recompute_choices(training)[-1])
        is_slowed = False
    else:
        in_one_pass = max(longest, min(plan.micro_batch_tokens, int(batch_tokens)))
        each = token_bytes(shape, longest, recompute=plan.recompute)
        needed = fixed_bytes(shape, lora, training) + in_one_pass * each
        is_slowed = plan.recompute and training.gradient_checkpointing == "auto"
        # More passes than one are cut to the room there is, which harms nothing.
        verdict = "tight" if is_slowed or least > TIGHT_SHARE * room else "fits"
    return Memory(
        verdict=verdict,  # type: ignore[arg-type]
        needed_bytes=needed,
        memory_bytes=resident_bytes + int(needed * factor),
        room_bytes=room,
        total_bytes=total_bytes,
        passes=plan,
        is_slowed=is_slowed,
    )
