"""What the command line prints, and the failures it tells in a sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

console = Console(highlight=False)


class CommandFailure(Exception):
    """The command can not go on; the sentences say what happened, why, and what to do."""

    def __init__(self, sentence: str, *, log_tail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.log_tail = log_tail


class StopRequested(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived."""


def say(sentence: str, *, style: str = "") -> None:
    # Where nobody reads along, a sentence stays one line, so that it can be searched for.
    console.print(sentence, style=style, markup=False, soft_wrap=not console.is_terminal)


def say_facts(facts: list[tuple[str, str]]) -> None:
    """Labels and values in two columns; a value is never broken, so that addresses can be copied."""
    width = max(cell_len(label) for label, _value in facts)
    for label, value in facts:
        line = Text(f"  {set_cell_size(label, width)}  ", style="dim").append(
            value, style="not dim"
        )
        console.print(line, soft_wrap=True)


@contextmanager
def spinner(sentence: str) -> Iterator[None]:
    """Show that something goes on; where nobody watches, one line is printed."""
    if not console.is_terminal:
        say(sentence)
        yield
        return
    with console.status(sentence):
        yield


def tell_failure(failure: CommandFailure) -> None:
    errors = Console(stderr=True, highlight=False)
    errors.print(failure.sentence, style="bold red", markup=False, soft_wrap=not errors.is_terminal)
    if failure.log_tail:
        errors.print(failure.log_tail, style="dim", markup=False, soft_wrap=True)
