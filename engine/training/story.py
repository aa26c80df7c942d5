"""What a job has told so far: its curve, its samples and its log. A resumed job tells it again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from engine.protocol import Stage

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class Story:
    """Makes a job's events and keeps those that its result shows.

    Args:
        work_id: repeated in every event.
    """

    def __init__(self, work_id: str) -> None:
        self._work_id = work_id
        self._started = time.monotonic()
        self._earlier_seconds = 0.0
        self._log: list[str] = []
        self.events: list[Event] = []
        self.stage: Stage = "preparing"

    @property
    def duration_seconds(self) -> float:
        """Since the job's start, over all its attempts."""
        return self._earlier_seconds + time.monotonic() - self._started

    @property
    def losses(self) -> list[float]:
        return [event["loss"] for event in self.events if event["type"] == "step"]

    @property
    def log_text(self) -> str:
        return "\n".join(self._log) + "\n"

    def enter(self, stage: Stage) -> Event:
        """The event of a stage that the job enters."""
        self.stage = stage
        self.note(stage)
        return self.made("stage", stage=stage)

    def made(self, kind: str, **values: Any) -> Event:
        """An event of this job."""
        return {"type": kind, "work_id": self._work_id, **values}

    def tell(self, event: Event) -> Event:
        """Keep an event for the result and for a resumed job."""
        self.events.append(event)
        return event

    def note(self, text: str) -> None:
        """A line of the log."""
        self._log.append(f"{self.duration_seconds:9.3f} s  {text}")
        logger.info("job=%s %s", self._work_id, text)

    def bare(self, *kinds: str) -> list[Event]:
        """The kept events of some kinds, for a file: without the work's name, which means nothing there."""
        return [
            {name: value for name, value in event.items() if name != "work_id"}
            for event in self.events
            if event["type"] in kinds
        ]

    def state(self) -> dict[str, Any]:
        """JSON values to go on from."""
        return {
            "elapsed_seconds": self.duration_seconds,
            "events": self.bare("step", "evaluation", "sample"),
            "log": self._log,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._earlier_seconds = float(state["elapsed_seconds"])
        self.events = [event | {"work_id": self._work_id} for event in state["events"]]
        self._log = [*state["log"], *self._log]
