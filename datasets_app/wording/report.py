"""The report about a dataset or an import as pages show it: a score in plain words, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets_app.intake.findings import Finding
from datasets_app.intake.outcome import Outcome, Verdict, verdict_of
from datasets_app.models import DatasetVersion
from datasets_app.wording.finding_sentences import finding_sentence
from datasets_app.wording.names import LANGUAGE_NAMES


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding in words.

    Attributes:
        lines: the first lines that have it; is_more tells that there are others.
        examples: excerpts with their line.
    """

    severity: str
    sentence: str
    count: int
    lines: list[int]
    is_more: bool
    examples: list[tuple[int | None, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a page says about the data.

    Attributes:
        verdict: ready, ready_but or not_usable; title and text say it in words.
    """

    verdict: Verdict
    title: str
    text: str
    rows_read: int
    accepted: int
    rejected: int
    is_partial: bool
    findings: list[ShownFinding]
    statistics: dict[str, Any]


_SHOWN_EXAMPLES = 3


def version_report(version: DatasetVersion) -> Report:
    """The report about a stored version."""
    findings = [Finding.from_dict(stored) for stored in version.issues]
    verdict = verdict_of(findings, is_usable=bool(version.example_count))
    if version.rejected_count and verdict == "ready":
        verdict = "ready_but"
    return _report(
        verdict,
        findings,
        (version.example_count + version.rejected_count, version.example_count),
        version.statistics,
    )


def outcome_report(outcome: Outcome) -> Report:
    """The report about a file that is not a dataset yet."""
    return _report(
        outcome.verdict,
        outcome.findings,
        (outcome.rows_read, outcome.accepted),
        outcome.statistics,
        is_partial=outcome.is_partial,
    )


def _report(
    verdict: Verdict,
    findings: Sequence[Finding],
    rows: tuple[int, int],
    statistics: dict[str, Any],
    *,
    is_partial: bool = False,
) -> Report:
    rows_read, accepted = rows
    title, text = _words(verdict, findings, rows_read - accepted)
    return Report(
        verdict,
        title,
        text,
        rows_read,
        accepted,
        rows_read - accepted,
        is_partial,
        [_shown(finding) for finding in findings],
        _shown_statistics(statistics),
    )


def _words(verdict: Verdict, findings: Sequence[Finding], rejected: int) -> tuple[str, str]:
    if verdict == "ready":
        return _("Ready"), _("Nothing speaks against training on these examples.")
    if verdict == "ready_but":
        count = sum(finding.severity == "warning" for finding in findings)
        if not count:
            sentence = ngettext(
                "%(count)d row was left out; the others can be used.",
                "%(count)d rows were left out; the others can be used.",
                rejected,
            )
            return _("Ready, but…"), sentence % {"count": rejected}
        sentence = ngettext(
            "You can train on it; %(count)d thing would make the result better.",
            "You can train on it; %(count)d things would make the result better.",
            count,
        )
        return _("Ready, but…"), sentence % {"count": count}
    first = next((finding for finding in findings if finding.severity == "error"), None)
    reason = finding_sentence(first.code, first.params, first.count) if first else ""
    return _("Not usable as it is"), reason


def _shown(finding: Finding) -> ShownFinding:
    lines = finding.lines
    return ShownFinding(
        finding.severity,
        finding_sentence(finding.code, finding.params, finding.count),
        finding.count,
        lines,
        finding.count > len(lines),
        [
            (place.line, place.excerpt)
            for place in finding.places[:_SHOWN_EXAMPLES]
            if place.excerpt
        ],
    )


def _shown_statistics(statistics: dict[str, Any]) -> dict[str, Any]:
    if not statistics:
        return {}
    languages = [
        (str(LANGUAGE_NAMES.get(name, name)) if name else _("no letters"), count)
        for name, count in statistics.get("languages", {}).items()
    ]
    parts = [statistics["question_characters"], statistics["answer_characters"]]
    lengths = [
        (label, [part[key] for part in parts])
        for label, key in (
            (_("Shortest"), "minimum"),
            (_("Half up to"), "median"),
            (_("95% up to"), "p95"),
            (_("Longest"), "maximum"),
        )
    ]
    return {"parts": [_("Question"), _("Answer")], "lengths": lengths, "languages": languages}
