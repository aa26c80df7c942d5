"""A frozen linear layer with weights in bfloat16, for chats on a CPU that computes in it: float32 in, float32 out.

oneDNN lays the weight out for its product once. A row's result never depends on the rows beside it.
"""

from __future__ import annotations

import torch


class Bfloat16Linear:
    """Rows times a frozen weight, two bytes a weight.

    Args:
        weight: (outputs, inputs), any float type; it is not kept.
        bias: (outputs,) in float32.

    Raises:
        NotImplementedError: this processor or this torch has no such product (is_supported).
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        if not is_supported():
            raise NotImplementedError("no product in bfloat16 here")
        self.output_size, self.input_size = weight.shape
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().bfloat16(), None)
        self._bias = bias

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, inputs) to (rows, outputs), both in float32."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows.bfloat16(), self._weight, None, "none", [], ""
        )
        result = product.float()
        return result if self._bias is None else result.add_(self._bias)

    @property
    def size_bytes(self) -> int:
        return 2 * self.output_size * self.input_size


def is_supported() -> bool:
    """Whether oneDNN has the product; where the processor lacks the instructions it may be slow."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except AttributeError:
        return False
