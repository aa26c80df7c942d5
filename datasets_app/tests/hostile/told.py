"""Which finding a sentence tells."""

from __future__ import annotations

import re

from datasets_app.wording.finding_sentences import SENTENCES

_REST = re.compile(
    r"(And [\d,]+ more faults?|The same fault .*|[\d,]+ more records? ha(s|ve) the same fault as line .*)\."
)


def pattern_of(code: str) -> str:
    """What the sentence of a finding looks like, whatever its values are."""
    if code == "columns":
        return r"The first line names the columns “.*”\. It must name .*\."
    parts = re.split(r"%\(\w+\)[ds]", str(SENTENCES[code]).replace("%%", "%"))
    return ".*".join(map(re.escape, parts))


def code_of(sentence: str, expected: tuple[str, ...]) -> str:
    """The expected code that says this sentence, or the sentence itself; empty where it only counts the rest."""
    if _REST.fullmatch(sentence):
        return ""
    return next(
        (code for code in expected if re.fullmatch(pattern_of(code), sentence, re.DOTALL)), sentence
    )
