"""The optimizers of an adapter, and their state as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from engine.config import TrainingHyperparameters


def make_optimizer(
    parameters: Sequence[nn.Parameter], training: TrainingHyperparameters
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101) or Adafactor (Shazeer and Stern 2018, arXiv 1804.04235).

    Adafactor keeps one number for each row and column in place of two for each weight. Its step is scaled by the size
    of the weights, which for the B of a fresh adapter is zero; the second epsilon of one makes the step the plain
    learning rate.
    """
    if training.optimizer == "adafactor":
        return torch.optim.Adafactor(
            parameters,
            lr=training.learning_rate,
            eps=(None, 1.0),
            weight_decay=training.weight_decay,
        )
    is_fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return torch.optim.AdamW(
        parameters,
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        # The plain loop over some hundred small tensors costs ten times as much on a CPU.
        fused=is_fused,
    )


def optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]
) -> dict[str, torch.Tensor]:
    """The optimizer's tensors on the CPU under `<index of the parameter>.<name>`."""
    return {
        f"{index}.{name}": value.detach().to("cpu", copy=True).contiguous()
        for index, parameter in enumerate(parameters)
        for name, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, torch.Tensor)
    }


def load_optimizer_state(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    state: Mapping[str, torch.Tensor],
) -> None:
    """Put back what optimizer_state gave."""
    for key, value in state.items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        # Step counters stay where the optimizer makes them: on the CPU, unless it is fused on another device.
        is_counter = value.dim() == 0 and parameter.device.type == "cpu"
        moved = value.clone() if is_counter else value.to(parameter.device, copy=True)
        optimizer.state[parameter][name] = moved
