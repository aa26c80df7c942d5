"""What the caller thinks of answers."""

from __future__ import annotations

from uuid import UUID

from ninja import Field, Schema

from chat.models import Vote
from chat.schemas.messages import MessageSchema


class RatingRequest(Schema):
    rating: int | None = Field(description="1 for good, -1 for bad, null to take it back")


class VoteRequest(Schema):
    verdict: str = Field(description="better, tie, or none where no answer is good")
    answerer_id: UUID | None = Field(
        default=None, description="With better: the model of the best answer"
    )


class VoteSchema(Schema):
    message_id: UUID
    verdict: str
    answerer_id: UUID | None
    was_blind: bool

    @classmethod
    def of_vote(cls, vote: Vote) -> VoteSchema:
        return cls(
            message_id=vote.message_id,
            verdict=vote.verdict,
            answerer_id=vote.winner_id,
            was_blind=vote.was_blind,
        )


class NewDataset(Schema):
    name: str
    type: str = Field(default="instruction", description="instruction or chat")


class CorrectionRequest(Schema):
    """At most one of dataset_id and new_dataset."""

    corrected_text: str = Field(description="Empty takes an earlier one back")
    dataset_id: UUID | None = Field(default=None, description="A dataset of the caller's")
    new_dataset: NewDataset | None = None


class CorrectionAnswer(Schema):
    """The reply, and the version that got the example, if one was asked for."""

    reply: MessageSchema
    dataset_id: UUID | None
    version: int | None
