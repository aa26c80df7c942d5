"""Reads one file in a process of its own, which the system ends when it takes too much time, memory or disk.

`python -m datasets_app.intake.child ORDER.json` writes the records and the outcome where the order says and tells its
progress on stdout, one `BYTES ROWS` a line.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets_app.intake.limits import Limits
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.intake.pipeline import Order, read_file

OUT_OF_MEMORY = 3
"""Exit status when a piece of memory was refused."""


def order_as_dict(order: Order) -> dict[str, Any]:
    return {
        "limits": {
            "unpacked_bytes": order.limits.unpacked_bytes,
            "records": order.limits.records,
            "budget_bytes": order.limits.budget_bytes,
        },
        "dataset_type": order.dataset_type,
        "mapping": order.mapping.as_dict() if order.mapping else {},
        "remembered": {key: mapping.as_dict() for key, mapping in order.remembered.items()},
        "file_name": order.file_name,
    }


def order_from_dict(stored: Mapping[str, Any]) -> Order:
    remembered = {
        key: ColumnMapping.from_dict(mapping) for key, mapping in stored["remembered"].items()
    }
    return Order(
        limits=Limits(**stored["limits"]),
        dataset_type=stored["dataset_type"],
        mapping=ColumnMapping.from_dict(stored["mapping"]),
        remembered={key: mapping for key, mapping in remembered.items() if mapping},
        file_name=stored["file_name"],
    )


def main(order_path: str) -> int:
    task = json.loads(Path(order_path).read_text(encoding="utf-8"))
    _limit(resource.RLIMIT_CPU, task["cpu_seconds"])
    _limit(resource.RLIMIT_DATA, task["memory_bytes"])
    _limit(resource.RLIMIT_FSIZE, task["disk_bytes"])
    _limit(resource.RLIMIT_CORE, 0)
    try:
        with Path(task["draft"]).open("wb") as sink:
            outcome = read_file(
                Path(task["path"]), sink, order_from_dict(task["order"]), _tell_progress
            )
    except MemoryError:
        return OUT_OF_MEMORY
    Path(task["outcome"]).write_text(json.dumps(outcome.as_dict()), encoding="utf-8")
    return 0


def _limit(kind: int, value: int) -> None:
    _soft, hard = resource.getrlimit(kind)
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # macOS has no limit on data; there the time limit and the size of the file remain.
    try:
        resource.setrlimit(kind, (wanted, hard))
    except (OSError, ValueError):
        return


def _tell_progress(packed_bytes: int, rows: int) -> None:
    sys.stdout.write(f"{packed_bytes} {rows}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
