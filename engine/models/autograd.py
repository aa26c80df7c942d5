"""Calling a hand-written operation of autograd as the typed function that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class _Forgetful:
    """Stands for the context of an operation whose gradient nobody asks for."""

    def save_for_backward(self, *tensors: torch.Tensor | None) -> None:
        """Keep nothing."""


def applied(function: type[torch.autograd.Function], *inputs: Any) -> torch.Tensor:
    """The output of an operation; the gradient goes back through its `backward`."""
    # Between the small operations of a chat, autograd's own bookkeeping takes as long as they do.
    if not torch.is_grad_enabled():
        output: torch.Tensor = function.forward(_Forgetful(), *inputs)
        return output
    apply: Callable[..., torch.Tensor] = function.apply
    return apply(*inputs)
