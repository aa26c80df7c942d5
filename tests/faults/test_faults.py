"""A short set of the faults on both databases; the whole matrix is `make test-faults-all`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.product import ROOT
from tests.postgres import postgres_program

pytestmark = pytest.mark.faults

SHORT_SECONDS = 900


@pytest.fixture(params=["sqlite", "postgresql"])
def options(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    if request.param == "sqlite":
        yield []
        return
    if postgres_program("initdb") is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    yield ["--postgresql"]


def test_nothing_is_lost(options: list[str]) -> None:
    """In a process of its own: it works on the stack's database, not on the tests'."""
    command = [sys.executable, "-m", "tests.faults", "--short", *options]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SHORT_SECONDS, check=False
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-3000:]
