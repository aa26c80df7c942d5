"""`python -m benchmarks [NAME [OPTIONS]]`: one benchmark of the project, or those of speed one after another."""

from __future__ import annotations

import importlib
import sys

MODULES = {
    "spine": "benchmarks.spine",
    "training": "benchmarks.training.command",
    "chat": "benchmarks.chat",
    "beside": "benchmarks.beside",
    "presets": "benchmarks.presets",
    "datasets": "benchmarks.datasets",
    "diagnosis": "benchmarks.diagnosis",
    "classroom": "benchmarks.classroom",
    "class_pages": "benchmarks.class_pages",
    "queue": "benchmarks.queue",
    "preflight": "benchmarks.preflight",
}
SPEED = ("spine", "training")


def main(arguments: list[str]) -> int:
    if not arguments:
        return max(run(name, []) for name in SPEED)
    name, *options = arguments
    if name not in MODULES:
        print(f"benchmarks: {', '.join(MODULES)}", file=sys.stderr)
        return 2
    return run(name, options)


def run(name: str, options: list[str]) -> int:
    """Run one; only now are its libraries needed."""
    sys.argv = [f"python -m benchmarks {name}", *options]
    module = importlib.import_module(MODULES[name])
    status = module.main(options) if name == "presets" else module.main()
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
