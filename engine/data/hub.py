"""Rows of a dataset of the Hugging Face Hub as JSON lines, streamed; run in a process of its own.

`python -m engine.data.hub ORDER.json` writes the rows where the order says and tells its progress on stdout, one number
of rows a line. Nothing of the repository is executed: the library reads data files only.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.data.hub_status import NOT_FOUND, NOT_READABLE, UNAVAILABLE

PROGRESS_ROWS = 100
REACH_SECONDS = 15


@dataclass(frozen=True, slots=True)
class HubOrder:
    """What to fetch.

    Attributes:
        repository: `owner/name` on the Hub.
        revision: branch, tag or commit; empty for the main branch.
        configuration: named part of the dataset; empty for its only one.
        columns: those to keep; empty for all.
        max_rows, max_bytes: where the reading ends.
    """

    repository: str
    split: str
    revision: str = ""
    configuration: str = ""
    columns: tuple[str, ...] = ()
    max_rows: int = 10_000
    max_bytes: int = 1 << 30


def fetch(order: HubOrder, sink: BinaryIO, on_progress: Callable[[int], None]) -> int:
    """Write the rows to sink as JSON lines and give their number.

    Raises:
        ConnectionError: the Hub can not be reached.
        FileNotFoundError, ValueError: there is no such dataset, configuration, split or column.
    """
    import datasets

    check_reachable(datasets.config.HF_ENDPOINT)
    rows = datasets.load_dataset(
        order.repository,
        name=order.configuration or None,
        split=order.split,
        revision=order.revision or None,
        streaming=True,
    )
    return write_rows(rows, order, sink, on_progress)


def check_reachable(endpoint: str) -> None:
    """Ask once for the first page: the library itself tries for half a minute before it gives up.

    Raises:
        ConnectionError: nobody answers.
    """
    # The address is a setting of the owner, never a person's input.
    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=REACH_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        # Whatever it answers, it is there.
        return
    except OSError as failure:
        raise ConnectionError(endpoint) from failure


def write_rows(
    rows: Iterable[dict[str, Any]],
    order: HubOrder,
    sink: BinaryIO,
    on_progress: Callable[[int], None],
) -> int:
    """Write the chosen columns of the rows within the limits and give their number."""
    count = size_bytes = 0
    for row in rows:
        chosen = {name: row[name] for name in order.columns} if order.columns else row
        line = json.dumps(chosen, ensure_ascii=False, default=str).encode() + b"\n"
        size_bytes += len(line)
        if count == order.max_rows or size_bytes > order.max_bytes:
            break
        sink.write(line)
        count += 1
        if count % PROGRESS_ROWS == 0:
            on_progress(count)
    return count


def main(order_path: str) -> int:
    task = json.loads(Path(order_path).read_text(encoding="utf-8"))
    task["order"]["columns"] = tuple(task["order"]["columns"])

    def tell(rows: int) -> None:
        sys.stdout.write(f"{rows}\n")
        sys.stdout.flush()

    try:
        with Path(task["path"]).open("wb") as sink:
            fetch(HubOrder(**task["order"]), sink, tell)
    except Exception as failure:  # noqa: BLE001 - whatever the library raises ends in one of three sentences
        sys.stderr.write(f"{type(failure).__name__}: {failure}\n")
        return exit_status(failure)
    return 0


def exit_status(failure: Exception) -> int:
    """Which of the exit statuses a failure of the library is."""
    chain: BaseException | None = failure
    while chain is not None:
        name = type(chain).__name__
        if name in ("RepositoryNotFoundError", "RevisionNotFoundError", "DatasetNotFoundError"):
            return NOT_FOUND
        if isinstance(chain, ConnectionError) or name in _OFFLINE:
            return UNAVAILABLE
        chain = chain.__cause__ or chain.__context__
    return NOT_FOUND if isinstance(failure, ValueError | KeyError) else NOT_READABLE


_OFFLINE = frozenset(
    {
        "OfflineModeIsEnabled",
        "ConnectError",
        "ConnectTimeout",
        "LocalEntryNotFoundError",
        "ReadTimeout",
    }
)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
