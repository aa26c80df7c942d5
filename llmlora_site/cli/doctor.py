"""`llmlora doctor`: look at this machine and say, line by line, what is well and what to mend."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from rich.table import Table

from llmlora_site.cli import doctor_machine as machine
from llmlora_site.cli import doctor_services as services
from llmlora_site.cli.console import console, say, spinner
from llmlora_site.cli.finding import Finding
from llmlora_site.cli.language import _
from llmlora_site.home import Home

EXIT_STATUS = {"ok": 0, "warn": 1, "fail": 2}
MARKS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}


def doctor(*, as_json: bool) -> int:
    """Print the findings; returns the exit status: 0 fine, 1 warnings, 2 faults."""
    home = Home.from_environment()
    if as_json:
        findings = list(_findings(home))
        json.dump(
            [asdict(finding) for finding in findings], sys.stdout, ensure_ascii=False, indent=2
        )
        sys.stdout.write("\n")
    else:
        with spinner(_("Looking at this machine …")):
            findings = list(_findings(home))
        _print(findings)
    return max(EXIT_STATUS[finding.status] for finding in findings)


def _findings(home: Home) -> Iterator[Finding]:
    yield machine.python()
    yield machine.write_access(home)
    yield machine.disk(home)
    yield machine.memory()
    yield machine.device()
    checks: tuple[Callable[[Home], Finding], ...] = (
        services.redis,
        services.database,
        services.model_cache,
        services.local_models,
    )
    for check in checks:
        yield check(home)


def _print(findings: list[Finding]) -> None:
    words = {"ok": _("ok"), "warn": _("warn"), "fail": _("fail")}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column()
    # Japanese has no spaces to break at; without folding its end is cut off.
    table.add_column(overflow="fold")
    for finding in findings:
        mark = f"{MARKS[finding.status]} {words[finding.status]}"
        table.add_row(mark, f"[bold]{finding.label}[/bold]", finding.detail)
        if finding.mend:
            table.add_row("", "", f"[yellow]→ {finding.mend}[/yellow]")
    console.print(table)
    if all(finding.status == "ok" for finding in findings):
        say(_("All is well. Start with: llmlora up"), style="green")
