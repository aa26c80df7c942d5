"""Input and output of the chat API, and the objects inside socket events. Names follow API.md."""

from __future__ import annotations

from chat.schemas.judging import (
    CorrectionAnswer,
    CorrectionRequest,
    NewDataset,
    RatingRequest,
    VoteRequest,
    VoteSchema,
)
from chat.schemas.messages import (
    EditRequest,
    GenerateAnswer,
    GenerateRequest,
    MessageList,
    MessageSchema,
    RegenerateRequest,
    TurnSchema,
    turns_in_order,
)
from chat.schemas.sessions import (
    AnswererSchema,
    CompletedJobSchema,
    RevealRequest,
    SessionChanges,
    SessionRequest,
    SessionSchema,
    TallySchema,
    WinsSchema,
)

__all__ = [
    "AnswererSchema",
    "CompletedJobSchema",
    "CorrectionAnswer",
    "CorrectionRequest",
    "EditRequest",
    "GenerateAnswer",
    "GenerateRequest",
    "MessageList",
    "MessageSchema",
    "NewDataset",
    "RatingRequest",
    "RegenerateRequest",
    "RevealRequest",
    "SessionChanges",
    "SessionRequest",
    "SessionSchema",
    "TallySchema",
    "TurnSchema",
    "VoteRequest",
    "VoteSchema",
    "WinsSchema",
    "turns_in_order",
]
