"""`llmlora validate`: the report of the upload page in the terminal, without a server."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from llmlora_site.cli.console import console, say
from llmlora_site.cli.language import _, terminal_language
from llmlora_site.cli.preparation import set_up_django

EXIT_STATUS = {"ready": 0, "ready_but": 1, "not_usable": 2}
MARKS = {"error": "[red]✗[/red]", "warning": "[yellow]![/yellow]", "info": "[blue]i[/blue]"}


def validate(paths: tuple[Path, ...], *, dataset_type: str | None, as_json: bool) -> int:
    """Print a report about each file; returns the worst exit status: 0 ready, 1 ready but, 2 not usable."""
    set_up_django()
    from django.utils import translation

    with translation.override(terminal_language()):
        reports = [_report(path, dataset_type) for path in paths]
        if as_json:
            json.dump(reports, sys.stdout, ensure_ascii=False, indent=2)
            sys.stdout.write("\n")
        else:
            for report in reports:
                _print(report)
    return max(EXIT_STATUS[report["verdict"]] for report in reports)


def _report(path: Path, dataset_type: str | None) -> dict[str, Any]:
    from datasets_app.checking import WORKER_SECONDS, CheckFailedError, check_file, limits
    from datasets_app.intake.outcome import Outcome
    from datasets_app.intake.pipeline import Order
    from datasets_app.wording.report import outcome_report

    with tempfile.TemporaryDirectory(prefix="llmlora-validate-") as folder:
        order = Order(limits(), dataset_type=dataset_type, file_name=path.name)  # type: ignore[arg-type]
        try:
            outcome = check_file(
                path.resolve(), Path(folder) / "records.jsonl", order, seconds=WORKER_SECONDS
            )
        except CheckFailedError as error:
            return _failed(path, str(error.message))
        except OSError as error:
            return _failed(path, f"{path}: {error.strerror}")
    assert isinstance(outcome, Outcome)
    report = outcome_report(outcome)
    return {
        "path": str(path),
        "verdict": report.verdict,
        "title": report.title,
        "message": report.text,
        "type": outcome.dataset_type,
        "format": outcome.source_format,
        "encoding": outcome.source_encoding,
        "mapping": outcome.mapping.as_dict() if outcome.mapping else None,
        "rows_read": report.rows_read,
        "accepted": report.accepted,
        "rejected": report.rejected,
        "issues": [
            {
                "severity": finding.severity,
                "code": finding.code,
                "count": finding.count,
                "lines": finding.lines,
                "example": finding.places[0].excerpt if finding.places else "",
                "message": shown.sentence,
            }
            for finding, shown in zip(outcome.findings, report.findings, strict=True)
        ],
        "statistics": outcome.statistics,
    }


def _failed(path: Path, message: str) -> dict[str, Any]:
    return {
        "path": str(path),
        "verdict": "not_usable",
        "title": _("Not usable as it is"),
        "message": message,
        "rows_read": 0,
        "accepted": 0,
        "rejected": 0,
        "issues": [],
    }


def _print(report: dict[str, Any]) -> None:
    style = {"ready": "green", "ready_but": "yellow", "not_usable": "red"}[report["verdict"]]
    console.print(Text(report["path"], style="bold"), soft_wrap=True)
    console.print(
        Text(f"{report['title']}: ", style=f"bold {style}").append(
            report["message"], style="not bold"
        )
    )
    say(
        _("%(read)d rows read, %(accepted)d usable, %(rejected)d with faults")
        % {
            "read": report["rows_read"],
            "accepted": report["accepted"],
            "rejected": report["rejected"],
        },
        style="dim",
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for issue in report["issues"]:
        lines = ", ".join(map(str, issue["lines"]))
        where = _("line %(lines)s") % {"lines": lines} if lines else ""
        table.add_row(MARKS[issue["severity"]], Text(issue["message"]), where)
    if report["issues"]:
        console.print(table)
    console.print()
