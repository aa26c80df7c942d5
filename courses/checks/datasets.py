"""Predicates over the student's datasets."""

from __future__ import annotations

from courses.checks.examples import (
    MOST_EXAMPLES,
    Pair,
    course_examples,
    course_pairs,
    pairs_of,
    starter_sets,
)
from courses.checks.findings import Finding, Proof, failed, passed
from courses.checks.params import DatasetNoOverlap, DatasetValid
from courses.checks.situation import Situation
from datasets_app.models import DatasetVersion
from datasets_app.selectors import read_examples
from datasets_app.versions.overlap import find_overlap


def dataset_valid(situation: Situation, wanted: DatasetValid) -> Finding:
    """The newest dataset that fits, else what is wrong with the newest of all."""
    first: Finding | None = None
    for version in situation.versions:
        finding = _valid(situation, version, wanted)
        if finding.outcome == finding.outcome.PASS:
            return finding
        first = first or finding
    return first or failed("dataset_missing", wanted={"examples": wanted.min_examples})


def dataset_no_overlap(situation: Situation, wanted: DatasetNoOverlap) -> Finding:
    """Of the newest dataset that was trained on, or else of the newest of all."""
    trained = [job.dataset_version for job in situation.jobs]
    version = next(iter([*trained, *situation.versions]), None)
    if version is None:
        return failed("dataset_missing", wanted={"examples": 1})
    leaks = leaks_into(situation.level, wanted.against, version)
    if leaks:
        return failed(
            "dataset_leaks",
            observed={"name": version.dataset.name, "leaks": leaks, "set": wanted.against},
        )
    return passed(proof_of(version), name=version.dataset.name)


def leaks_into(level: int, part: str, version: DatasetVersion) -> int:
    """How many questions of a level's evaluation or hidden set stand in a dataset."""
    training = read_examples(version, limit=MOST_EXAMPLES)
    return len(find_overlap(training, course_examples(level, part)).leaks)


def is_starter(version: DatasetVersion) -> bool:
    """Whether it holds nothing else than a set that comes with the courses, or a part of one."""
    pairs = pairs_of(version)
    return any(pairs <= starter for starter in starter_sets())


def proof_of(version: DatasetVersion) -> Proof:
    facts = {"name": version.dataset.name, "examples": version.example_count}
    return Proof("dataset", str(version.pk), version.digest, facts)


def _valid(situation: Situation, version: DatasetVersion, wanted: DatasetValid) -> Finding:
    name, count = version.dataset.name, version.example_count
    if count < wanted.min_examples:
        return failed(
            "dataset_small",
            observed={"name": name, "examples": count},
            wanted={"examples": wanted.min_examples},
        )
    if wanted.max_examples is not None and count > wanted.max_examples:
        return failed(
            "dataset_large",
            observed={"name": name, "examples": count},
            wanted={"examples": wanted.max_examples},
        )
    pairs = pairs_of(version)
    if len(pairs) < min(count, wanted.min_examples):
        return failed("dataset_repeats", observed={"name": name, "examples": len(pairs)})
    own = pairs - course_pairs()
    if (wanted.edited and not own) or len(own) < wanted.min_own_examples:
        return failed(
            "dataset_not_own",
            observed={"name": name, "own": len(own)},
            wanted={"own": max(1, wanted.min_own_examples)},
        )
    if (wanted.edited or wanted.min_own_examples) and _is_copied(situation, version, own):
        return failed("dataset_copied", observed={"name": name})
    return passed(proof_of(version), name=name, examples=count, own=len(own))


def _is_copied(situation: Situation, version: DatasetVersion, own: frozenset[Pair]) -> bool:
    """Whether everything in it that is not the course's was in a classmate's dataset before."""
    earlier = DatasetVersion.objects.filter(
        dataset__owner_id__in=situation.classmate_ids,
        created_at__lt=version.created_at,
        example_count__lte=MOST_EXAMPLES,
    ).select_related("dataset")
    return any(own <= pairs_of(other) for other in earlier.order_by("-created_at")[:500])
