"""API calls of the arena: the standings of a class, and the next duel. Votes go through the calls for chats."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Header, Schema, Status
from pydantic import ConfigDict

from accounts.idempotency import once
from accounts.models import Cohort
from chat.api.router import router
from chat.arena.duels import begin_duel
from chat.arena.entries import arena_cohorts, get_arena_cohort
from chat.arena.standings import MIN_DUELS, Board, Standing, board_of, read_arena
from chat.finding import get_message
from common.api import ERROR_RESPONSES, current_user, paginated


class ArenaCohortSchema(Schema):
    id: UUID
    name: str


class StandingSchema(Schema):
    """One adapter of the class. What the votes do not tell yet is null."""

    job_id: UUID
    name: str
    owner_name: str
    base_model_name: str
    score: int | None = Field(
        description="1000 is the mean of the class, 400 more are odds of 10:1"
    )
    interval: tuple[int, int] | None = Field(description="Holds the score in 95 of 100 cases")
    ranks: tuple[int, int] | None = Field(
        description="The best and the worst rank that the votes allow; equal where they tell it"
    )
    duels: int = Field(description="Votes for one of the two, and ties")
    wins: int
    ties: int
    none_good: int = Field(description="Votes for neither, which count for no score")
    missing_duels: int = Field(description=f"Until it gets a rank, which needs {MIN_DUELS} duels")

    @classmethod
    def of_standing(cls, standing: Standing) -> StandingSchema:
        entry, rank = standing.entry, standing.rank
        return cls(
            job_id=entry.job_id,
            name=entry.name,
            owner_name=entry.owner_name,
            base_model_name=entry.base_model_name,
            score=rank.score if rank else None,
            interval=(rank.low, rank.high) if rank else None,
            ranks=(rank.best, rank.worst) if rank else None,
            duels=standing.duels,
            wins=standing.wins,
            ties=standing.ties,
            none_good=standing.none_good,
            missing_duels=standing.missing_duels,
        )


class ArenaSchema(Schema):
    cohort_id: UUID
    cohort_name: str
    vote_count: int
    standings: list[StandingSchema]

    @classmethod
    def of_board(cls, cohort: Cohort, board: Board) -> ArenaSchema:
        return cls(
            cohort_id=cohort.pk,
            cohort_name=cohort.name,
            vote_count=board.vote_count,
            standings=[StandingSchema.of_standing(standing) for standing in board.standings],
        )


class DuelRequest(Schema):
    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(description="What both adapters are asked")


class DuelSchema(Schema):
    """A duel is a blind chat of one message; its two models are named once the names are revealed."""

    session_id: UUID
    message_id: UUID
    cohort_id: UUID
    prompt: str


@router.get(
    "/arena",
    response={200: list[ArenaCohortSchema]} | ERROR_RESPONSES,
    summary="The classes whose arena you may see",
)
@paginated
def list_arenas(request: HttpRequest) -> list[Cohort]:
    return list(arena_cohorts(current_user(request)))


@router.get(
    "/arena/{uuid:cohort_id}",
    response={200: ArenaSchema} | ERROR_RESPONSES,
    summary="The standings of a class",
)
def show_arena(request: HttpRequest, cohort_id: UUID) -> ArenaSchema:
    """Those with a rank first, the best score first."""
    cohort = get_arena_cohort(current_user(request), cohort_id)
    return ArenaSchema.of_board(cohort, board_of(read_arena(cohort)))


@router.post(
    "/arena/{uuid:cohort_id}/duels",
    response={201: DuelSchema} | ERROR_RESPONSES,
    summary="Begin a duel between two adapters of classmates",
)
def create_duel(
    request: HttpRequest,
    cohort_id: UUID,
    body: DuelRequest,
    idempotency_key: str | None = Header(None, alias="Idempotency-Key"),
) -> Status[DuelSchema]:
    """Read the answers at `/api/chat/sessions/{session_id}/messages`, vote at `/api/chat/messages/{message_id}/vote`,
    then reveal the names at `/api/chat/sessions/{session_id}/reveal`: with that the vote counts."""
    user = current_user(request)
    cohort = get_arena_cohort(user, cohort_id)
    message = once(
        user,
        scope="arena_duel",
        key=idempotency_key,
        create=lambda: begin_duel(user, cohort, prompt=body.prompt),
        find=lambda pk: get_message(user, pk),
    )
    return Status(
        201,
        DuelSchema(
            session_id=message.session_id,
            message_id=message.pk,
            cohort_id=cohort.pk,
            prompt=message.text,
        ),
    )
