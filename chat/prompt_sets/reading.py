"""Questions out of a CSV file, out of pasted lines, and out of a dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from chat.prompt_sets.items import MAX_ITEMS, Item, Located, read_items, refusal
from common.errors import Fault, InvalidInputError
from datasets_app.intake.csv_reader import CsvReader
from datasets_app.intake.decoding import find_encoding, refuse_binary
from datasets_app.intake.findings import Findings, RefusalError
from datasets_app.intake.limits import Limits
from datasets_app.intake.mapping import column_key
from datasets_app.intake.source import Source
from datasets_app.intake.text_stream import TextStream
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import iterate_examples
from datasets_app.wording.faults import faults_of
from engine.data.records import Example

MAX_FILE_BYTES = 8 * 1024 * 1024
PROMPT_COLUMNS = ("prompt", "question", "instruction", "質問", "問題", "問い", "指示")
REFERENCE_COLUMNS = ("reference", "answer", "output", "答え", "解答", "回答", "出力")
ANSWERED_TYPES = (Dataset.Type.INSTRUCTION, Dataset.Type.CHAT)
TURNS_OF_A_QUESTION = ("user", "assistant")


def read_csv(file: BinaryIO) -> list[Item]:
    """The rows of a CSV file, in UTF-8 or an encoding of Japanese spreadsheets.

    Raises:
        InvalidInputError: it is no such file, or some of its rows can not be used; with every fault, by line.
    """
    content = file.read(MAX_FILE_BYTES + 1)
    findings = Findings()
    rows: list[Located] = []
    with tempfile.NamedTemporaryFile(suffix=".csv") as kept:
        kept.write(content)
        kept.flush()
        try:
            rows += _csv_rows(Path(kept.name), findings)
        except RefusalError as error:
            findings.refusal(error)
    if findings.has_errors:
        raise refusal(faults_of([finding for finding in findings if finding.severity == "error"]))
    return read_items(rows)


def read_lines(text: str) -> list[Item]:
    """One question a line, and the hoped-for answer behind a tab: so a spreadsheet's two columns are pasted.

    Raises:
        InvalidInputError: some lines can not be used; with every fault, by line.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return read_items(
        Located(*_parted(line), line=number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def read_version(version: DatasetVersion, numbers: Iterable[int] | None = None) -> list[Item]:
    """The questions of a dataset's version, and its answers as those hoped for; at most MAX_ITEMS.

    Args:
        numbers: of the examples that are meant, from 0; all of them unless told otherwise.

    Raises:
        InvalidInputError: it holds plain text, or conversations of several questions only.
        UnavailableError: the file is not there.
    """
    if version.dataset.type not in ANSWERED_TYPES:
        sentence = _(
            "“%(name)s” holds plain text. Choose a dataset of questions with answers, or of conversations."
        ) % {"name": version.dataset.name}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="dataset_id")])
    wanted = None if numbers is None else set(numbers)
    examples = (
        example
        for number, example in enumerate(iterate_examples(version))
        if wanted is None or number in wanted
    )
    found = list(islice(filter(None, map(_question_of, examples)), MAX_ITEMS))
    if not found:
        sentence = _(
            "“%(name)s” has no example of one question and one answer, so nothing can be asked from it."
        ) % {"name": version.dataset.name}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="dataset_id")])
    return read_items(found)


def _question_of(example: Example) -> Located | None:
    """An example of one question and one answer; what needs earlier turns can not be asked alone."""
    if tuple(turn.role for turn in example.turns) != TURNS_OF_A_QUESTION:
        return None
    question, answer = example.turns
    return Located(question.content, answer.content)


def _csv_rows(path: Path, findings: Findings) -> Iterator[Located]:
    limits = Limits(unpacked_bytes=MAX_FILE_BYTES, records=MAX_ITEMS)
    source = Source(path, limits)
    refuse_binary(source.head())
    reader = CsvReader(TextStream(source, find_encoding(source), limits), findings)
    # The header is read with the first row, so what it names is looked at there.
    for line, row in reader:
        prompt, reference = _columns(reader.columns)
        if isinstance(row, dict):
            yield Located(row[prompt], row[reference] if reference else "", line=line)
    if reader.columns:
        _columns(reader.columns)


def _columns(names: list[str]) -> tuple[str, str]:
    """The columns of the question and of the answer; the latter may be missing.

    Raises:
        InvalidInputError: no column is known as that of the questions.
    """
    by_key = {column_key(name): name for name in names}
    prompt = next((by_key[key] for key in PROMPT_COLUMNS if key in by_key), "")
    if not prompt:
        sentence = _(
            "The first line must name the columns: prompt (or 質問), and reference (or 答え) where there are answers. "
            "Write that line above the questions."
        )
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="file", line=1)])
    return prompt, next((by_key[key] for key in REFERENCE_COLUMNS if key in by_key), "")


def _parted(line: str) -> tuple[str, str]:
    prompt, _tab, reference = line.partition("\t")
    return prompt, reference
