"""Fetches rows of an allowed dataset of the Hugging Face Hub in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.errors import UnavailableError
from engine.data.hub_status import NOT_FOUND, UNAVAILABLE

HUB_SECONDS = 1800
FAILURES = {
    "hub_unavailable": _(
        "The Hugging Face Hub can not be reached from this server, so nothing was fetched. "
        "Try again later, or upload the file instead."
    ),
    "hub_not_found": _(
        "The Hub has no such dataset, configuration, split or column. Look at its page there and correct the names."
    ),
    "hub_not_readable": _(
        "The dataset could not be read from the Hub. Download a file from its page there and upload that."
    ),
}
_PASSED_ON = ("PATH", "HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE")


class HubError(UnavailableError):
    """The Hub gave nothing."""

    code = "hub"


def is_offline() -> bool:
    """Whether the owner of the installation switched the Hub off."""
    return not settings.HUB_ENABLED


def fetch_rows(source: Mapping[str, Any], path: Path, on_progress: Callable[[int], None]) -> None:
    """Write the rows to path as JSON lines.

    Args:
        source: fields of `engine.data.hub.HubOrder`.
        on_progress: is called with the number of rows so far; what it raises ends the fetching.

    Raises:
        HubError: the Hub can not be reached, has no such dataset, or it can not be read.
    """
    if is_offline():
        raise _error("hub_unavailable")
    order_file = path.with_name("hub.json")
    limits = {"max_bytes": settings.MAX_UPLOAD_BYTES}
    order_file.write_text(
        json.dumps({"order": {**source, **limits}, "path": str(path)}), encoding="utf-8"
    )
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {
        "LC_ALL": "C.UTF-8",
        "HF_HOME": str(path.parent / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.data.hub", str(order_file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        # A folder of the repository's name beside the process would be read instead of the Hub.
        cwd=path.parent,
    ) as child:
        alarm = threading.Timer(HUB_SECONDS, child.kill)
        alarm.start()
        try:
            for line in cast("list[str]", child.stdout):
                on_progress(int(line))
            status = child.wait()
        finally:
            alarm.cancel()
            child.kill()
    if status:
        reasons = {UNAVAILABLE: "hub_unavailable", NOT_FOUND: "hub_not_found"}
        raise _error(reasons.get(status, "hub_not_readable"))


def _error(reason: str) -> HubError:
    return HubError(FAILURES[reason], reason=reason)
