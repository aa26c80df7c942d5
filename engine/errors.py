"""Expected failures of the engine, each with a stable code and the values its sentence needs.

The engine never words a failure for a person: the web side turns `code` and `params` into a sentence in the
reader's language.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EngineError(Exception):
    """Base of every expected failure.

    Attributes:
        code: stable name, stored with the job and translated at the edge.
        params: JSON values for the sentence (counts, names, sizes in bytes).
    """

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str = "", **params: Any) -> None:
        super().__init__(detail or self.code)
        self.params = params


class DatasetError(EngineError):
    """The examples can not be trained on (nothing left after truncation, unreadable file)."""

    code = "dataset_unusable"


class UnsupportedModelError(EngineError):
    """The base model is missing, unreadable or of a kind that the engine does not train."""

    code = "unsupported_model"


class AdapterError(EngineError):
    """The adapter folder is missing, incomplete or does not fit the base model."""

    code = "adapter_unusable"


class UnsupportedVariantError(EngineError):
    """This device or base model can not train the chosen kind of adapter (QLoRA without CUDA, biases without any)."""

    code = "unsupported_variant"


class OutOfMemoryError(EngineError):
    """The device has no memory left for this work. `mends` in its params names settings that need less, best first."""

    code = "out_of_memory"


class DivergedError(EngineError):
    """The loss became NaN or infinite."""

    code = "diverged"


class DiskFullError(EngineError):
    """No space left where the adapter is written."""

    code = "disk_full"


class PromptTooLongError(EngineError):
    """The conversation leaves no room for an answer within the model's context."""

    code = "prompt_too_long"


class CancelledError(EngineError):
    """The work was cancelled by request."""

    code = "cancelled"


class SuspendedError(CancelledError):
    """The job was suspended by request and can go on from its checkpoint."""


class EngineDiedError(EngineError):
    """The engine process ended while the work was under way."""

    code = "engine_died"


ERROR_CODES: dict[str, type[EngineError]] = {
    kind.code: kind
    for kind in (
        EngineError,
        DatasetError,
        UnsupportedModelError,
        AdapterError,
        UnsupportedVariantError,
        OutOfMemoryError,
        DivergedError,
        DiskFullError,
        PromptTooLongError,
        CancelledError,
        EngineDiedError,
    )
}
