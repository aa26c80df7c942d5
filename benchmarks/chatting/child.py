"""One side of the chat benchmark in a process of its own: `python -m benchmarks.chatting.child KIND SETUP`.

Reads one JSON call a line from stdin and answers each with one line on stdout; what libraries print goes to stderr.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import traceback
from typing import Any

from benchmarks.chatting.plan import Setup

MODULES = {
    "room": "benchmarks.chatting.room_side",
    "peft": "benchmarks.chatting.peft_side",
    "models": "benchmarks.chatting.models_side",
}
"""Imported by kind: the memory of one must not hold what only another needs."""


def main(kind: str, setup_text: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    side = importlib.import_module(MODULES[kind]).make(Setup(**json.loads(setup_text)))
    for line in sys.stdin:
        answers.write(json.dumps(_answer(side, json.loads(line))) + "\n")
        answers.flush()


def _answer(side: Any, call: dict[str, Any]) -> dict[str, Any]:
    try:
        result = getattr(side, call["method"])(**call["arguments"])
    except Exception:  # noqa: BLE001 - whatever it is, the benchmark's own process tells it
        return {"error": traceback.format_exc()}
    return {"result": dataclasses.asdict(result) if dataclasses.is_dataclass(result) else result}


if __name__ == "__main__":
    main(*sys.argv[1:])
