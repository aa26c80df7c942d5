"""Draw the next token from the model's distribution."""

from __future__ import annotations

import torch

from engine.config import SamplingParams


class Sampler:
    """Draws tokens with a generator of its own, so that other work never changes an answer."""

    def __init__(self, sampling: SamplingParams) -> None:
        self._sampling = sampling
        # On the CPU whatever the device is: the same seed then gives the same numbers everywhere.
        self._generator = torch.Generator().manual_seed(sampling.seed)

    def draw(self, logits: torch.Tensor) -> int:
        """The next token.

        Args:
            logits: (vocabulary,), any float type; temperature 0 takes the largest.
        """
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        scaled = logits.detach().to("cpu", torch.float32) / self._sampling.temperature
        probabilities = torch.softmax(scaled, dim=-1)
        if self._sampling.top_p < 1:
            probabilities = keep_nucleus(probabilities, self._sampling.top_p)
        return int(torch.multinomial(probabilities, 1, generator=self._generator))


def keep_nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero all but the smallest set of likeliest tokens that together reach `top_p` (arXiv 1904.09751, section 3.1).

    Args:
        probabilities: (vocabulary,), sums to 1; the result does not.
    """
    ordered, order = torch.sort(probabilities, descending=True, stable=True)
    # A token stays when those before it have not reached top_p yet; so the likeliest one always stays.
    stays = torch.cumsum(ordered, dim=-1) - ordered < top_p
    return torch.zeros_like(probabilities).scatter_(0, order[stays], ordered[stays])
