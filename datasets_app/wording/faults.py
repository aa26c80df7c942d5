"""Findings that refuse a dataset, as the faults of an error: everything at once, and no list is endless."""

from __future__ import annotations

from django.utils.translation import ngettext

from common.errors import Fault, InvalidInputError
from datasets_app.intake.findings import Finding
from datasets_app.intake.outcome import Outcome
from datasets_app.wording.finding_sentences import finding_sentence

MAX_FAULTS = 50


def refusal(outcome: Outcome) -> InvalidInputError:
    """The error that tells why nothing was saved."""
    errors = outcome.errors
    faults = faults_of(errors)
    if len(faults) == 1 and faults[0].line is None:
        return InvalidInputError(faults[0].message, faults=faults)
    count = sum(finding.count for finding in errors)
    sentence = ngettext(
        "Nothing was saved, because %(count)d fault was found. Mend it and send the data again.",
        "Nothing was saved, because %(count)d faults were found. Mend them and send the data again.",
        count,
    )
    return InvalidInputError(sentence % {"count": count}, faults=faults)


def faults_of(errors: list[Finding]) -> list[Fault]:
    """At most MAX_FAULTS faults by line, then what was left out."""
    listed = [
        Fault(
            finding_sentence(finding.code, place.params),
            field=place.params.get("field"),
            line=place.line,
        )
        for finding in errors
        for place in finding.places
    ]
    listed.sort(key=lambda fault: fault.line or 0)
    shown = listed[:MAX_FAULTS]
    if len(listed) <= MAX_FAULTS:
        return shown + _rests(errors)
    hidden = sum(finding.count for finding in errors) - len(shown)
    sentence = ngettext("And %(count)d more fault.", "And %(count)d more faults.", hidden)
    return [*shown, Fault(sentence % {"count": hidden})]


def _rests(errors: list[Finding]) -> list[Fault]:
    rests = []
    for finding in errors:
        rest = finding.count - len(finding.places)
        if rest:
            sentence = _same_fault_sentence(rest, finding.places[0].line)
            rests.append(Fault(sentence, field=finding.params.get("field")))
    return rests


def _same_fault_sentence(rest: int, first_line: int | None) -> str:
    if first_line is None:
        return ngettext(
            "The same fault once more.", "The same fault %(count)d more times.", rest
        ) % {"count": rest}
    return ngettext(
        "%(count)d more record has the same fault as line %(line)d.",
        "%(count)d more records have the same fault as line %(line)d.",
        rest,
    ) % {"count": rest, "line": first_line}
