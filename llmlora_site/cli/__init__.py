"""The command line: `llmlora up`, `worker`, `web`, `doctor` and `demo`."""

from llmlora_site.cli.commands import main

__all__ = ["main"]
