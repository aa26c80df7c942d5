"""The training benchmark as a picture: speeds of all arms, and what each technique gains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks.training.arms import ARMS, TECHNIQUES
from benchmarks.training.report import Report
from benchmarks.training.results import WHOLE, CellResult
from benchmarks.training.statistics import Estimate

OURS, OTHERS = "#2f6f4f", "#9aa5ad"
_SETTINGS = {
    "svg.hashsalt": "llmlora",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.axisbelow": True,
}


def draw(report: Report, path: Path) -> None:
    """Write an SVG: a row for each corpus, arms at the left and ablations at the right."""
    results = report.main_cells
    mpl.use("svg")
    with mpl.rc_context(_SETTINGS):
        figure, axes = pyplot.subplots(
            len(results), 2, figsize=(11, 3.1 * len(results)), squeeze=False, layout="constrained"
        )
        for (left, right), result in zip(axes, results, strict=True):
            _arms(left, result)
            _ablations(right, result)
        figure.supxlabel("tokens a second (median, 95 % interval)")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None})
        pyplot.close(figure)


def _arms(axes: Any, result: CellResult) -> None:
    arms = [arm for arm in ARMS if arm.name in result.rounds]
    bars = [(arm.label, result.speed(arm.name), arm.kind == "engine") for arm in arms]
    _bars(axes, bars)
    axes.set_title(
        f"{result.cell.corpus}: {result.cell.examples} examples, batch {result.cell.batch_size}"
    )


def _ablations(axes: Any, result: CellResult) -> None:
    bars = [("ours, whole", result.ablation_speed(WHOLE), True)]
    for name, technique in TECHNIQUES.items():
        bars.append((f"without {technique.name}", result.ablation_speed(name), False))
    _bars(axes, bars)
    axes.set_title(f"{result.cell.corpus}: one technique taken out")


def _bars(axes: Any, bars: list[tuple[str, Estimate, bool]]) -> None:
    for place, (_label, speed, is_ours) in enumerate(bars):
        axes.barh(place, speed.median, color=OURS if is_ours else OTHERS)
        if speed.low is not None and speed.high is not None:
            spread = [[speed.median - speed.low], [speed.high - speed.median]]
            axes.errorbar(speed.median, place, xerr=spread, color="black", capsize=2, linewidth=1)
        axes.annotate(
            f"{speed.median:.0f}",
            (0, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            color="white",
        )
    axes.set_yticks(range(len(bars)), [label for label, _speed, _is_ours in bars])
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e3e6e8")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
