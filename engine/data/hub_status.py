"""How the process that reads from the Hugging Face Hub ends when it gives nothing; free of the library it uses."""

from __future__ import annotations

UNAVAILABLE = 3
"""The Hub can not be reached."""

NOT_FOUND = 4
"""The Hub has no such dataset, configuration, split or column."""

NOT_READABLE = 5
"""There is one, but it can not be read."""
