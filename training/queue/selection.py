"""The waiting job that a worker should take now."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from modelhub.models import Worker
from training.models import TrainingJob
from training.queue.policy import arrange
from training.queue.reading import limits_of, read_line


def next_job_id(worker_name: str) -> UUID | None:
    """The job that this worker should take now, or None when none waits that it could train."""
    worker = Worker.objects.filter(name=worker_name).only("state", "device", "is_paused").first()
    if worker is not None and (worker.is_paused or worker.state == Worker.State.REFUSED):
        return None
    has_gpu = worker is not None and worker.has_cuda
    job = arrange(read_line(has_gpu=has_gpu)).next
    return None if job is None else UUID(str(job.id))


def may_start(job_id: UUID) -> bool:
    """Whether the owner has a running job to spare; inside the claim's transaction.

    Two workers may have chosen two jobs of one person at the same moment: the lock on the person makes one of them
    wait and count again.
    """
    owners = User.objects.select_for_update(of=("self",), no_key=True)
    owner = owners.filter(training_jobs=job_id).first()
    job = TrainingJob.objects.select_related("cohort__compute_policy").filter(pk=job_id).first()
    if owner is None or job is None:
        return False
    running = TrainingJob.objects.filter(owner=owner, status=TrainingJob.Status.RUNNING).count()
    return running < limits_of(job.cohort).max_running_jobs
