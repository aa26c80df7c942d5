"""Draw the next tokens from the model's distributions, one row for each answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine.config import SamplingParams

_LIKELIEST = 256
"""Tokens that a nucleus is first looked for among: a whole vocabulary takes ten times as long to sort."""


class Sampler:
    """How one answer draws, with a generator of its own, so that other work never changes an answer.

    Args:
        token_ids: of the prompt; the repetition penalty counts them in.
    """

    def __init__(self, sampling: SamplingParams, token_ids: Sequence[int] = ()) -> None:
        self.sampling = sampling
        # On the CPU whatever the device is: the same seed then gives the same numbers everywhere.
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._seen = dict.fromkeys(token_ids) if sampling.repetition_penalty != 1 else {}

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken as it is."""
        return self.sampling.temperature == 0 and self.sampling.repetition_penalty == 1

    def draw(self, logits: torch.Tensor) -> int | None:
        """The next token, or None when the logits are no numbers.

        Args:
            logits: (vocabulary,), any float type; temperature 0 takes the largest.
        """
        return draw([self], logits.unsqueeze(0))[0]

    def penalised(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits with those of seen tokens made smaller (arXiv 1909.05858, section 4.1)."""
        if self.sampling.repetition_penalty == 1:
            return logits
        seen = torch.tensor(list(self._seen), dtype=torch.long, device=logits.device)
        penalty, own = self.sampling.repetition_penalty, logits[seen]
        smaller = torch.where(own < 0, own * penalty, own / penalty)
        return logits.index_copy(0, seen, smaller)

    def choose(self, probabilities: torch.Tensor) -> int:
        """An index into the last dimension, drawn by its share; the shares need not sum to 1."""
        reached = probabilities.double().cumsum(0)
        point = torch.rand(1, generator=self._generator, dtype=torch.float64) * reached[-1]
        index = int(torch.searchsorted(reached, point, right=True))
        return min(index, len(reached) - 1)

    def note(self, token_id: int) -> None:
        """Count a drawn token as seen."""
        if self.sampling.repetition_penalty != 1:
            self._seen[token_id] = None


def draw(samplers: Sequence[Sampler], logits: torch.Tensor) -> list[int | None]:
    """The next token of each row, or None where its logits are no numbers.

    Args:
        logits: (rows, vocabulary), float.
    """
    largest, likeliest = logits.max(dim=-1)
    is_finite = torch.isfinite(largest).tolist()
    chosen: list[int | None] = likeliest.tolist()
    drawn: list[int] = []
    for row, sampler in enumerate(samplers):
        if not is_finite[row]:
            chosen[row] = None
        elif sampler.sampling.temperature > 0:
            drawn.append(row)
        elif not sampler.is_greedy:
            chosen[row] = int(sampler.penalised(logits[row]).argmax())
    if drawn:
        drawing = [samplers[row] for row in drawn]
        own = [sampler.penalised(logits[row]) for row, sampler in zip(drawn, drawing, strict=True)]
        for row, choice in zip(drawn, _drawn(drawing, torch.stack(own)), strict=True):
            chosen[row] = choice
    for sampler, token in zip(samplers, chosen, strict=True):
        if token is not None:
            sampler.note(token)
    return chosen


def _drawn(samplers: Sequence[Sampler], logits: torch.Tensor) -> list[int]:
    temperatures = torch.tensor([sampler.sampling.temperature for sampler in samplers])
    scaled = logits.detach().to("cpu", torch.float32) / temperatures.unsqueeze(1)
    probabilities = torch.softmax(scaled, dim=-1)
    count = min(_LIKELIEST, probabilities.shape[1])
    values, tokens = probabilities.topk(count, dim=-1)
    return [
        _restricted(sampler, probabilities[row], values[row], tokens[row])
        for row, sampler in enumerate(samplers)
    ]


def _restricted(
    sampler: Sampler, probabilities: torch.Tensor, values: torch.Tensor, tokens: torch.Tensor
) -> int:
    """Draw from what top_k and top_p leave.

    Args:
        values, tokens: the likeliest of the probabilities, in order.
    """
    top_k, top_p = sampler.sampling.top_k, sampler.sampling.top_p
    if not top_k and top_p >= 1:
        return sampler.choose(probabilities)
    is_enough = 0 < top_k <= len(values) or (not top_k and float(values.sum()) >= top_p)
    if not is_enough:
        values, tokens = torch.sort(probabilities, descending=True, stable=True)
    if top_k:
        values = values[:top_k]
    total = float(values.sum()) if top_k else 1.0
    return int(tokens[sampler.choose(values[: nucleus_size(values / total, top_p)])])


def nucleus_size(ordered: torch.Tensor, top_p: float) -> int:
    """How many of the likeliest tokens together reach `top_p` (arXiv 1904.09751, section 3.1); at least one.

    Args:
        ordered: probabilities, the largest first.
    """
    # A token stays when those before it have not reached top_p yet.
    stays = torch.cumsum(ordered, dim=-1) - ordered < top_p
    return max(1, int(stays.sum()))
