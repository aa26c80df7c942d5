"""A finished job's numbers, judged. Pure: facts in, findings out.

The limits were set by real jobs, each made to show one finding: those of the tests on a tiny model and those of
`python -m benchmarks diagnosis` on the bundled one.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.protocol import SAMPLE_MAX_TOKENS
from training.diagnosis import experiments
from training.diagnosis.experiments import Experiment
from training.diagnosis.facts import (
    HeldOutCurve,
    JobFacts,
    TrainingCurve,
    held_out_curve,
    training_curve,
)

SMALL_FALL = 0.05
"""Of the training loss: less is no effect."""
SMALL_GAIN = 0.02
"""Of the held-out loss: less is no effect."""
CLEAR_FALL = 0.2
"""Of the training loss: with no gain on held-out examples it was learned by heart."""
CLEAR_RISE = 0.05
"""Of the held-out loss above its best."""
LATE_FALL = 0.12
"""Of the whole fall of the training loss, in its last third."""
LATE_HELD_OUT_FALL = 0.05
LEARNED_AWAY = 0.9
"""After such a fall there is little left to learn, however fast it still falls."""
BLOWN_UP = 1.5
"""Times the first loss."""
OVERSHOT = 1.25
LOST_AGAIN = 0.15
"""Of the first loss: the end lies so far above the lowest."""
NOISY = 0.15
"""Of the first loss: the usual jump from one point to the next."""
MOST_SAMPLES = 0.5
FEW_EXAMPLES = 10
FEW_EXAMPLES_FOR_A_MANNER = 50
NOTABLE_DROPPED = 0.1

VERDICT_ORDER = (
    "diverged",
    "out_of_memory",
    "unstable",
    "no_effect",
    "memorised",
    "never_learned_to_stop",
    "answers_cut",
    "under_trained",
    "good",
    "too_little_data",
    "examples_left_out",
    "no_held_out",
)
"""The first of them that was found is the verdict: what has to be seen to before anything else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the numbers say.

    Attributes:
        evidence: the numbers behind it, by name.
        next: the experiment to try.
    """

    code: str
    evidence: dict[str, Any]
    next: Experiment | None = None


def find(facts: JobFacts) -> list[Finding]:
    """Everything that the numbers say, the verdict first; nothing when they are too few."""
    findings = [*_failures(facts)]
    if not findings and not facts.failure:
        findings = [*_shape(facts)]
        findings += _data(facts, {finding.code for finding in findings})
    return sorted(findings, key=lambda finding: VERDICT_ORDER.index(finding.code))


def _failures(facts: JobFacts) -> Iterator[Finding]:
    curve = training_curve(facts)
    params = facts.failure_params
    if facts.failure == "diverged":
        evidence: dict[str, Any] = {"learning_rate": facts.training.learning_rate}
        if "step" in params:
            evidence["failed_step"] = params["step"]
        if curve is not None:
            evidence |= {"first_loss": curve.first, "peak_loss": curve.peak}
        yield Finding("diverged", evidence | _gradients(facts), experiments.calmer(facts))
    elif facts.failure == "out_of_memory":
        known = ("needed_bytes", "available_bytes")
        yield Finding(
            "out_of_memory",
            {name: params[name] for name in known if name in params}
            | {"max_length": facts.training.max_length, "rank": facts.lora.r},
            experiments.need_less_memory(facts, params.get("mends", [])),
        )


def _shape(facts: JobFacts) -> Iterator[Finding]:
    """Exactly one finding on how the loss went, if it can be told."""
    curve, held_out = training_curve(facts), held_out_curve(facts)
    if curve is None:
        return
    finding = _without_shape(facts, curve, held_out) or (
        _diverged(facts, curve)
        or _no_effect(facts, curve, held_out)
        or _unstable(facts, curve)
        or _memorised(facts, curve, held_out)
        or _under_trained(facts, curve, held_out)
        or _good(facts, curve, held_out)
    )
    yield finding


def _without_shape(
    facts: JobFacts, curve: TrainingCurve, held_out: HeldOutCurve | None
) -> Finding | None:
    """A job of very few steps: its held-out loss is the only measure of it."""
    if curve.has_shape:
        return None
    evidence = {"steps": facts.last_step, "learning_rate": facts.training.learning_rate}
    if held_out is not None:
        evidence |= _held_out_evidence(held_out)
        if held_out.gain < SMALL_GAIN:
            return Finding("no_effect", evidence, experiments.learn_more(facts))
    return Finding("under_trained", evidence, experiments.train_longer(facts, 5))


def _diverged(facts: JobFacts, curve: TrainingCurve) -> Finding | None:
    """It did not stop the job, but what the model knew is lost."""
    if curve.peak < BLOWN_UP * curve.first or curve.end < curve.first * (1 - 2 * LOST_AGAIN):
        return None
    evidence = {
        "first_loss": curve.first,
        "peak_loss": curve.peak,
        "end_loss": curve.end,
        "learning_rate": facts.training.learning_rate,
    }
    return Finding("diverged", evidence | _gradients(facts), experiments.calmer(facts))


def _no_effect(
    facts: JobFacts, curve: TrainingCurve, held_out: HeldOutCurve | None
) -> Finding | None:
    if held_out is not None and (held_out.gain >= SMALL_GAIN or curve.fall >= CLEAR_FALL):
        return None
    if abs(curve.fall) >= SMALL_FALL and not curve.is_fall_noise:
        return None
    # It learned, and lost it again; or it went up first.
    has_moved = curve.lowest < (1 - 2 * SMALL_FALL) * curve.start
    if has_moved or curve.peak >= OVERSHOT * curve.first + 3 * curve.noise:
        return None
    evidence = {
        "start_loss": curve.start,
        "end_loss": curve.end,
        "steps": facts.last_step,
        "learning_rate": facts.training.learning_rate,
    }
    if held_out is not None:
        evidence |= _held_out_evidence(held_out)
    return Finding("no_effect", evidence, experiments.learn_more(facts))


def _unstable(facts: JobFacts, curve: TrainingCurve) -> Finding | None:
    overshot = curve.peak > OVERSHOT * curve.first + 6 * curve.noise
    lost = curve.end - curve.lowest > LOST_AGAIN * curve.first
    spikes = curve.spikes
    is_noisy = curve.noise > NOISY * curve.first and curve.fall < LEARNED_AWAY
    if not (overshot or lost or spikes > 1 or is_noisy):
        return None
    evidence = {
        "first_loss": curve.first,
        "peak_loss": curve.peak,
        "lowest_loss": curve.lowest,
        "end_loss": curve.end,
        "spikes": spikes,
        "noise": curve.noise,
        "learning_rate": facts.training.learning_rate,
    }
    by_batches = is_noisy and not (overshot or lost)
    step = experiments.larger_steps(facts) if by_batches else experiments.calmer(facts)
    return Finding("unstable", evidence | _gradients(facts), step)


def _memorised(
    facts: JobFacts, curve: TrainingCurve, held_out: HeldOutCurve | None
) -> Finding | None:
    if held_out is None or curve.fall < SMALL_FALL:
        return None
    helps_nobody = held_out.gain < SMALL_GAIN and curve.fall >= CLEAR_FALL
    if held_out.rise < CLEAR_RISE and not helps_nobody:
        return None
    evidence = {"start_loss": curve.start, "end_loss": curve.end} | _held_out_evidence(held_out)
    return Finding("memorised", evidence, experiments.stop_at_best(facts, held_out.best_step))


def _under_trained(
    facts: JobFacts, curve: TrainingCurve, held_out: HeldOutCurve | None
) -> Finding | None:
    late_fall, limit = curve.late_fall, LATE_FALL
    if held_out is not None and held_out.late_fall is not None:
        late_fall, limit = held_out.late_fall, LATE_HELD_OUT_FALL
    if late_fall < limit or curve.fall >= LEARNED_AWAY:
        return None
    evidence = {
        "start_loss": curve.start,
        "end_loss": curve.end,
        "late_fall": late_fall,
        "steps": facts.last_step,
        "epochs": facts.epochs,
    }
    if held_out is not None:
        evidence |= _held_out_evidence(held_out)
    return Finding("under_trained", evidence, experiments.train_longer(facts))


def _good(facts: JobFacts, curve: TrainingCurve, held_out: HeldOutCurve | None) -> Finding:
    evidence = {"start_loss": curve.start, "end_loss": curve.end, "steps": facts.last_step}
    if held_out is not None:
        evidence |= _held_out_evidence(held_out)
    step = experiments.go_on(facts, is_measured=held_out is not None)
    return Finding("good", evidence, step)


def _data(facts: JobFacts, found: set[str]) -> Iterator[Finding]:
    """What the examples and the answers say, beside the shape of the loss."""
    if not found:
        return
    examples = facts.example_count
    if facts.cut_answer_count:
        evidence: dict[str, Any] = {
            "cut_answers": facts.cut_answer_count,
            "examples": examples,
            "max_length": facts.training.max_length,
        }
        yield Finding("answers_cut", evidence, experiments.longer_examples(facts))
    if not found & {"diverged", "no_effect"}:
        yield from _stopping(facts)
    if examples < FEW_EXAMPLES or ("memorised" in found and examples < FEW_EXAMPLES_FOR_A_MANNER):
        yield Finding("too_little_data", {"examples": examples}, experiments.add_examples())
    if facts.dropped_count >= NOTABLE_DROPPED * (examples + facts.dropped_count) > 0:
        evidence = {"dropped": facts.dropped_count, "max_length": facts.training.max_length}
        yield Finding("examples_left_out", evidence, experiments.longer_examples(facts))
    if not facts.held_out and "diverged" not in found:
        yield Finding("no_held_out", {"examples": examples}, experiments.hold_out(facts))


def _stopping(facts: JobFacts) -> Iterator[Finding]:
    reasons = facts.finish_reasons
    endless = sum(reason == "length" for reason in reasons)
    if not endless or endless < MOST_SAMPLES * len(reasons):
        return
    # Longer answers than a sample has room for end at its limit, whatever was learned.
    are_short = facts.answer_tokens <= 0.75 * SAMPLE_MAX_TOKENS
    are_cut = facts.cut_answer_count >= MOST_SAMPLES * facts.example_count
    if not (are_short or are_cut):
        return
    evidence = {
        "endless_samples": endless,
        "samples": len(reasons),
        "answer_tokens": facts.answer_tokens,
        "sample_tokens": SAMPLE_MAX_TOKENS,
    }
    step = experiments.longer_examples(facts) if are_cut else experiments.train_longer(facts)
    yield Finding("never_learned_to_stop", evidence, step)


def _held_out_evidence(held_out: HeldOutCurve) -> dict[str, Any]:
    return {
        "baseline_loss": held_out.baseline,
        "best_held_out": held_out.best,
        "best_step": held_out.best_step,
        "last_held_out": held_out.last,
    }


def _gradients(facts: JobFacts) -> dict[str, Any]:
    if not facts.grad_norms:
        return {}
    return {
        "usual_gradient": statistics.median(facts.grad_norms),
        "largest_gradient": max(facts.grad_norms),
    }
