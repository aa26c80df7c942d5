"""What a waiting job's page says of the queue."""

from __future__ import annotations

from typing import Any

from training.models import TrainingJob
from training.queue.standing import queue_standings
from training.queue.wording import position_words, reason_sentence, start_words


def queue_context(job: TrainingJob) -> dict[str, Any]:
    """Nothing is read for a job that does not wait."""
    if job.status != TrainingJob.Status.PENDING:
        return {}
    standings = queue_standings()
    standing = standings.get(job.pk)
    if standing is None:
        # A worker took it a moment ago; the next look shows that.
        return {}
    total = sum(other.position is not None for other in standings.values())
    return {
        "queue_standing": standing,
        "queue_position_words": position_words(standing, total),
        "queue_start_words": start_words(standing),
        "queue_reason_sentence": reason_sentence(standing),
    }
