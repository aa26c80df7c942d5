"""How far a run is, model by model."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from chat.models import PromptRun, Reply
from chat.selectors import ACTIVE


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """How many questions one model has done with, whatever came of it."""

    name: str
    done: int
    total: int

    @property
    def share(self) -> float:
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    models: list[ModelProgress]

    @property
    def share(self) -> float:
        return sum(model.share for model in self.models) / max(1, len(self.models))


def progress_of(run: PromptRun) -> Progress:
    """In one query. Second tries count with the first: their question is done when they are."""
    rows = Reply.objects.filter(
        message__session=run.session_id, scored_text="", is_chosen=True
    ).values("answerer_id")
    done = {
        str(row["answerer_id"]): row["ended"]
        for row in rows.annotate(ended=Count("pk", filter=~Q(status__in=ACTIVE))).order_by()
    }
    return Progress(
        [
            ModelProgress(model["name"], done.get(model["id"], 0), len(run.items))
            for model in run.results["models"]
        ]
    )
