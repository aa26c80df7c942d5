"""How much work a job has left, in tokens of training: by it the loop decides which job is the shortest."""

from __future__ import annotations

from engine.config import TrainingHyperparameters, steps_per_epoch
from engine.training.job_data import JobData

EVALUATION_COST = 0.4
"""Work for a token that is only measured: its forward pass, of a forward and a backward one."""


class Pace:
    """The work that is left. Before the data is known it is zero, so that every job is prepared early."""

    def __init__(self) -> None:
        self._step_tokens = 0.0
        self._steps_left = 0
        self._evaluation_tokens = 0.0
        self._evaluations_left = 0

    def start(self, data: JobData, training: TrainingHyperparameters, step: int) -> None:
        """The data is known; `step` steps are done already."""
        in_epoch = steps_per_epoch(len(data.train), training)
        total = in_epoch * training.num_epochs
        self._step_tokens = data.token_count / in_epoch
        self._steps_left = total - step
        if data.held_out:
            held_out_tokens = sum(len(row.input_ids) for row in data.held_out)
            self._evaluation_tokens = EVALUATION_COST * held_out_tokens
            self._evaluations_left = (total - step) // (training.eval_steps or in_epoch) + (
                step == 0
            )

    def count_step(self) -> None:
        self._steps_left -= 1

    def count_evaluation(self) -> None:
        self._evaluations_left -= 1

    @property
    def remaining_tokens(self) -> float:
        """Tokens of training that the rest of the job is worth."""
        return (
            self._steps_left * self._step_tokens
            + max(0, self._evaluations_left) * self._evaluation_tokens
        )
