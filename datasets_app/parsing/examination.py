"""Checks records one by one and writes the good ones as canonical JSON lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from datasets_app.parsing.faults import FaultLog
from datasets_app.parsing.issues import Issue
from datasets_app.parsing.json_readers import BROKEN, Located, not_object_sentence
from datasets_app.parsing.limits import MAX_RECORD_BYTES, Limits
from datasets_app.parsing.record_sentences import (
    mixed_sentence,
    record_sentence,
    unknown_shape_sentence,
)
from datasets_app.parsing.strict_json import find_bad_value
from engine.data.records import DatasetType, Example, RecordError, detect_type, read_example

SHORT_ANSWER_CHARACTERS = 3


@dataclass(slots=True)
class Examination:
    """What is known of the records so far.

    Attributes:
        dataset_type: shape of the records; that of the first readable one when it was not given.
        example_count: records that were written.
        character_count: characters of their texts.
    """

    sink: BinaryIO
    faults: FaultLog
    limits: Limits
    dataset_type: DatasetType | None = None
    example_count: int = 0
    character_count: int = 0
    _seen: set[bytes] = field(default_factory=set)
    _duplicates: Issue = field(default_factory=lambda: Issue("warning", "duplicates"))
    _short: Issue = field(
        default_factory=lambda: Issue(
            "info", "short_answers", params={"characters": SHORT_ANSWER_CHARACTERS}
        )
    )

    @property
    def issues(self) -> list[Issue]:
        return [issue for issue in (self._duplicates, self._short) if issue.count]

    def examine(self, records: Iterable[Located]) -> None:
        """Check every record up to the limit; faults are collected, not raised."""
        count = 0
        for line, value in records:
            count += 1
            if count > self.limits.examples:
                sentence = _(
                    "There are more than %(limit)d records in it. Split it into several datasets."
                )
                self.faults.add("too_many", sentence % {"limit": self.limits.examples}, line=line)
                return
            if value is not BROKEN:
                self._examine_one(line, value)
        if not count and not self.faults:
            self.faults.add(
                "no_records", _("There are no records in it. Add at least one example.")
            )

    def _examine_one(self, line: int, value: Any) -> None:
        if not isinstance(value, dict):
            self.faults.add("not_object", not_object_sentence(value), line=line)
            return
        bad_value = find_bad_value(value)
        if bad_value:
            self.faults.add(bad_value[0], bad_value[1], line=line)
            return
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        if len(encoded) > MAX_RECORD_BYTES:
            sentence = _(
                "This record is longer than 64 KiB. Shorten it or split it into several records."
            )
            self.faults.add("record_too_long", sentence, line=line)
            return
        example = self._example(line, value)
        if example:
            self._accept(line, encoded, example)

    def _example(self, line: int, record: dict[str, Any]) -> Example | None:
        shape = detect_type(record)
        if shape is None and self.dataset_type is None:
            self.faults.add("unknown_shape", unknown_shape_sentence(record), line=line)
            return None
        self.dataset_type = self.dataset_type or shape
        assert self.dataset_type is not None
        try:
            return read_example(record, self.dataset_type)
        except RecordError as error:
            if shape not in (None, self.dataset_type):
                self.faults.add("mixed", mixed_sentence(shape, self.dataset_type), line=line)
            else:
                kind = f"{error.code} {error.params.get('field', '')}"
                self.faults.add(
                    kind, record_sentence(error), line=line, field=error.params.get("field")
                )
            return None

    def _accept(self, line: int, encoded: bytes, example: Example) -> None:
        digest = hashlib.blake2b(encoded, digest_size=16).digest()
        if digest in self._seen:
            self._duplicates.add(line)
        self._seen.add(digest)
        if is_answer_short(example):
            self._short.add(line)
        self.example_count += 1
        self.character_count += sum(map(len, texts_of(example)))
        # After the first fault nothing will be stored, so nothing more is written.
        if not self.faults:
            self.sink.write(encoded + b"\n")


def texts_of(example: Example) -> list[str]:
    """Every text of an example."""
    return [turn.content for turn in example.turns] or [example.prompt, example.completion]


def is_answer_short(example: Example) -> bool:
    """Whether an answer is so short that hardly anything can be learned from it."""
    answers = [turn.content for turn in example.turns if turn.is_trained] or [example.completion]
    return any(len(answer.strip()) < SHORT_ANSWER_CHARACTERS for answer in answers)
