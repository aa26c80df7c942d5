"""`python -m benchmarks`: every benchmark of the project, one after another."""

from __future__ import annotations

from benchmarks import spine

spine.main()
