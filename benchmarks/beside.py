"""A training job and eight chats through one engine process: that part of the chat benchmark by itself.

`python -m benchmarks beside` takes some five minutes on two cores. It publishes nothing: the figures of record are
those of `python -m benchmarks chat`. `LLMLORA_CHAT_ENGINE=room` leaves llama.cpp out.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.chat import SCRATCH
from benchmarks.chatting.adapters import write_adapters
from benchmarks.chatting.mixed import EPOCHS, run_mixed
from benchmarks.chatting.plan import ANSWER_TOKENS, Setup
from benchmarks.chatting.processes import Processes
from benchmarks.chatting.report import mixed_text
from engine.tests.factories import prepared_bundled_model


def main() -> int:
    options = _read(sys.argv[1:])
    # So that a time limit from outside ends the other processes too, and removes their files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="llmlora-bench-") as name:
        folder = Path(name)
        setup = Setup(
            asdict(prepared_bundled_model()), str(folder / "adapters"), str(SCRATCH / "gguf")
        )
        write_adapters(setup)
        processes = Processes(setup, folder)
        try:
            prompts = processes.get("room", "float32").call("prompts")
        finally:
            processes.close_all()
        mixed = run_mixed(setup, prompts, options.tokens, options.epochs, folder)
    print(f"{mixed_text(mixed)}\n\nLoad before the start {load:.2f}.")
    return 0


def _read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks beside", description=__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the job")
    parser.add_argument("--tokens", type=int, default=ANSWER_TOKENS, help="of each answer")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
