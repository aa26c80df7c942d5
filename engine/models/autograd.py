"""Calling a hand-written operation of autograd as the typed function that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def applied(function: type[torch.autograd.Function], *inputs: Any) -> torch.Tensor:
    """The output of an operation; the gradient goes back through its `backward`."""
    apply: Callable[..., torch.Tensor] = function.apply
    return apply(*inputs)
