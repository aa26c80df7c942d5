"""The doctor's look at the machine: Python, data folder, disk, memory, device."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys

import psutil

from engine.catalog import SMOLLM2
from engine.models.cache import find_prepared
from llmlora_site.cli.child import PROJECT_ROOT
from llmlora_site.cli.finding import GIGABYTE, Finding, graded
from llmlora_site.cli.language import _
from llmlora_site.cli.preflight import MIN_FREE_BYTES, MODEL_BYTES
from llmlora_site.home import Home

COMFORTABLE_FREE_BYTES = 5 * GIGABYTE
# The resident base model, one training job and the libraries around them.
MIN_MEMORY_BYTES = 2 * GIGABYTE
COMFORTABLE_MEMORY_BYTES = 4 * GIGABYTE
DEVICE_SECONDS = 120
# Runs in a process of its own: this one never loads torch.
DEVICE_PROGRAM = """
import json
import torch
from engine.models.devices import choose_device, memory_report
device = choose_device()
memory = memory_report(device)
print(json.dumps({"kind": device.kind, "name": device.name, "dtype": device.dtype_name,
                  "torch": torch.__version__, "total_bytes": memory.total_bytes}))
"""


def python() -> Finding:
    detail = f"{platform.python_version()} ({sys.executable})"
    if sys.maxsize < 2**32:
        mend = _("Install a 64-bit Python: there is no PyTorch for this one.")
        return Finding("python", _("Python"), "fail", detail, mend)
    return Finding("python", _("Python"), "ok", detail)


def write_access(home: Home) -> Finding:
    label = _("Data folder")
    try:
        home.create()
        probe = home.run / f"probe.{os.getpid()}"
        probe.write_bytes(b"llmlora")
        probe.unlink()
    except OSError as error:
        mend = _("Give this user the right to write there, or choose another folder with --home.")
        return Finding("write_access", label, "fail", f"{home.root}: {error.strerror}", mend)
    return Finding("write_access", label, "ok", str(home.root))


def disk(home: Home) -> Finding:
    folder = next(place for place in (home.root, *home.root.parents) if place.exists())
    free_bytes = shutil.disk_usage(folder).free
    is_prepared = find_prepared(home.model_cache, SMOLLM2) is not None
    return graded(
        "disk",
        _("Disk"),
        free_bytes,
        needed=MIN_FREE_BYTES + (0 if is_prepared else MODEL_BYTES),
        comfortable=COMFORTABLE_FREE_BYTES,
        detail=_("%(size)s GB free") % {"size": f"{free_bytes / GIGABYTE:.1f}"},
        mend=_("Make room, or choose a folder on another disk with --home."),
    )


def memory() -> Finding:
    available_bytes = psutil.virtual_memory().available
    return graded(
        "memory",
        _("Memory"),
        available_bytes,
        needed=MIN_MEMORY_BYTES,
        comfortable=COMFORTABLE_MEMORY_BYTES,
        detail=_("%(size)s GB available") % {"size": f"{available_bytes / GIGABYTE:.1f}"},
        mend=_("Close other programs: training with the bundled model takes about 2 GB."),
    )


def device() -> Finding:
    label = _("Device")
    command = [sys.executable, "-c", DEVICE_PROGRAM]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=DEVICE_SECONDS,
            cwd=PROJECT_ROOT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        mend = _("Restart the machine, or choose another device with LLMLORA_DEVICE=cpu.")
        return Finding("device", label, "fail", _("PyTorch does not answer."), mend)
    if answer.returncode != 0:
        reason = (
            answer.stderr.strip().splitlines()[-1]
            if answer.stderr.strip()
            else f"exit {answer.returncode}"
        )
        mend = _("Install the packages again (make clean setup), or set LLMLORA_DEVICE=cpu.")
        return Finding("device", label, "fail", reason, mend)
    found = json.loads(answer.stdout.splitlines()[-1])
    detail = f"{found['kind']}: {found['name']}, {found['dtype']}, PyTorch {found['torch']}"
    if found["kind"] != "cpu":
        detail += f", {found['total_bytes'] / GIGABYTE:.0f} GB"
    return Finding("device", label, "ok", detail)
