"""`llmlora validate` says what the upload page says, and ends with 0, 1 or 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmlora_site.cli import main

GOOD = '{"instruction": "Who waters it?", "output": "Class 2B waters it."}\n'
DOUBTFUL = GOOD + GOOD
BAD = GOOD + '{"instruction": "When?"}\n'


@pytest.mark.parametrize(
    ("content", "status", "verdict", "sentence"),
    [
        (GOOD, 0, "ready", "Ready: Nothing speaks against"),
        (DOUBTFUL, 1, "ready_but", "exact copy of an earlier one"),
        (BAD, 2, "not_usable", "The field “output” is missing."),
        ("", 2, "not_usable", "There is nothing in it"),
    ],
)
def test_status_and_sentences(
    content: str,
    status: int,
    verdict: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMLORA_LANGUAGE", "en")
    path = tmp_path / "data.jsonl"
    path.write_text(content, encoding="utf-8")
    told = CliRunner().invoke(main, ["validate", str(path)])
    assert told.exit_code == status
    assert sentence in " ".join(told.output.split())
    answer = CliRunner().invoke(main, ["validate", "--json", str(path)])
    assert answer.exit_code == status
    (report,) = json.loads(answer.output)
    assert report["verdict"] == verdict
    assert all(issue["message"] for issue in report["issues"])


def test_the_worst_of_several_files_decides(tmp_path: Path) -> None:
    paths = []
    for name, content in (
        ("good.jsonl", GOOD),
        ("bad.jsonl", BAD),
        ("front.csv", "front,back\na,b\n"),
    ):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        paths.append(str(path))
    answer = CliRunner().invoke(main, ["validate", "--json", *paths])
    assert answer.exit_code == 2
    assert [report["rows_read"] for report in json.loads(answer.output)] == [1, 2, 0]


def test_a_type_can_be_asked_for_and_a_missing_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(GOOD, encoding="utf-8")
    assert CliRunner().invoke(main, ["validate", "--type", "chat", str(path)]).exit_code == 2
    missing = CliRunner().invoke(main, ["validate", str(tmp_path / "none.jsonl")])
    assert missing.exit_code == 2
    assert "does not exist" in missing.output
