"""Command: prepare a bundled base model and tell the progress, one JSON object a line on stdout.

`python -m engine.models.prepare --cache-dir DIR [--name NAME]`

Lines: `{"type": "progress", "fraction", "message"}`, then one of `{"type": "result", "name", "path", "digest"}` (exit
status 0) or `{"type": "failed", "code", "params", "detail"}` (exit status 1). `message` is an English message id.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from engine.catalog import CATALOG, DEFAULT_BASE_MODEL
from engine.errors import EngineError
from engine.models.bundled import prepare_bundled


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m engine.models.prepare", description=__doc__)
    parser.add_argument("--cache-dir", required=True)
    parser.add_argument(
        "--name",
        default=DEFAULT_BASE_MODEL,
        choices=[spec.name for spec in CATALOG if spec.source == "bundled"],
    )
    options = parser.parse_args(arguments)
    spec = next(spec for spec in CATALOG if spec.name == options.name)
    try:
        found = prepare_bundled(options.cache_dir, spec, _progress)
    except EngineError as failure:
        _say(type="failed", code=failure.code, params=failure.params, detail=str(failure))
        return 1
    _say(type="result", name=found.name, path=found.path, digest=found.digest)
    return 0


def _progress(fraction: float, message: str) -> None:
    _say(type="progress", fraction=round(fraction, 4), message=message)


def _say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
