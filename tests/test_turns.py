"""Test processes take turns: many beside each other, or one alone."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.turns import Turns

SOON_SECONDS = 20


def entered(turns: Turns, *, alone: bool, release: threading.Event) -> threading.Event:
    """A test in a thread of its own, until it is released; the event tells that it runs."""
    runs = threading.Event()

    def test() -> None:
        with turns.alone() if alone else turns.beside_others():
            runs.set()
            release.wait(SOON_SECONDS)
        turns.close()

    threading.Thread(target=test, daemon=True).start()
    return runs


def test_others_wait_for_one_that_is_alone(tmp_path: Path) -> None:
    first, alone, late = threading.Event(), threading.Event(), threading.Event()
    assert entered(Turns(tmp_path), alone=False, release=first).wait(SOON_SECONDS)
    assert entered(Turns(tmp_path), alone=False, release=first).wait(SOON_SECONDS)
    lonely = entered(Turns(tmp_path), alone=True, release=alone)
    assert not lonely.wait(0.2)
    # Who comes later does not pass by the one that waits.
    later = entered(Turns(tmp_path), alone=False, release=late)
    assert not later.wait(0.2)
    first.set()
    assert lonely.wait(SOON_SECONDS)
    assert not later.wait(0.2)
    alone.set()
    assert later.wait(SOON_SECONDS)
    late.set()
