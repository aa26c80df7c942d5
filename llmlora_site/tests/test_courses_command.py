"""`llmlora course`: faults with file and line, and translations that are behind."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from courses.tests.writing import write_course
from llmlora_site.cli.commands import main


def test_the_courses_of_this_project_are_whole() -> None:
    result = CliRunner().invoke(main, ["course", "check"])
    assert result.exit_code == 0, result.output


def test_a_fault_is_told_with_its_line_and_fails(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "sample")
    (folder / "steps" / "hello.yml").write_text("kind: read\nminutes: 0\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["course", "check", str(tmp_path)])
    assert result.exit_code == 1
    assert "hello.yml:2" in result.output.replace("\n", "")


def test_a_translation_that_is_behind_fails_until_it_is_stamped(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "sample")
    path = folder / "steps" / "hello.en.md"
    path.write_text(path.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    runner = CliRunner()
    assert runner.invoke(main, ["course", "check", str(tmp_path)]).exit_code == 1
    assert runner.invoke(main, ["course", "stamp", str(tmp_path)]).exit_code == 0
    assert runner.invoke(main, ["course", "check", str(tmp_path)]).exit_code == 0


def test_a_folder_without_courses_is_told(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["course", "check", str(tmp_path)]).exit_code == 1
