"""The states of a step in the live view of a class, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from courses.selectors.live import CellState


def cell_label(state: CellState) -> str:
    labels = {
        CellState.LOCKED: _("locked"),
        CellState.OPEN: _("open"),
        CellState.WORKING: _("in progress"),
        CellState.WAITING: _("waits for a device"),
        CellState.STUCK: _("stuck"),
        CellState.PASSED: _("passed"),
        CellState.EXEMPT: _("exempt"),
    }
    return labels[state]
