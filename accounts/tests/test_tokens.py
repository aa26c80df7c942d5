from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.idempotency import once
from accounts.models import ApiToken, IdempotencyKey, User
from accounts.tokens import MAX_TOKENS_PER_USER, create_token, find_user, revoke_token
from common.errors import ConflictError, InvalidInputError, NotFoundError


def test_a_new_token_finds_its_person_and_only_its_digest_is_stored(student: User) -> None:
    token, plain = create_token(student, name="laptop", days=5)

    assert find_user(plain) == student
    assert plain.startswith("llm_")
    assert plain not in str(ApiToken.objects.values().get())
    assert token.expires_at <= timezone.now() + timedelta(days=5)


@pytest.mark.parametrize("plain", ["", "llm_", "llm_unknown", "Bearer", "llm_\x00\ud800"])
def test_an_unknown_token_finds_nobody(student: User, plain: str) -> None:
    create_token(student, name="laptop", days=5)

    assert find_user(plain) is None


def test_an_expired_token_finds_nobody(student: User) -> None:
    token, plain = create_token(student, name="laptop", days=1)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())

    assert find_user(plain) is None


def test_the_token_of_a_closed_account_finds_nobody(student: User) -> None:
    _token, plain = create_token(student, name="laptop", days=1)
    User.objects.filter(pk=student.pk).update(is_active=False)

    assert find_user(plain) is None


def test_last_use_is_written_at_most_once_a_minute(student: User) -> None:
    token, plain = create_token(student, name="laptop", days=1)

    find_user(plain)
    first = ApiToken.objects.get(pk=token.pk).last_used_at
    find_user(plain)
    second = ApiToken.objects.get(pk=token.pk).last_used_at
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now() - timedelta(minutes=2))
    find_user(plain)
    third = ApiToken.objects.get(pk=token.pk).last_used_at

    assert first is not None
    assert first == second
    assert third is not None
    assert third > first


@pytest.mark.parametrize("days", [0, -1, settings.API_TOKEN_MAX_DAYS + 1])
def test_a_token_that_would_last_too_long_is_refused(student: User, days: int) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        create_token(student, name="laptop", days=days)

    assert [fault.field for fault in refusal.value.faults] == ["expires_in_days"]
    assert not ApiToken.objects.exists()


def test_one_person_has_a_limited_number_of_tokens_and_expired_ones_do_not_count(
    student: User,
) -> None:
    for number in range(MAX_TOKENS_PER_USER):
        create_token(student, name=f"token {number}", days=1)

    with pytest.raises(ConflictError):
        create_token(student, name="one more", days=1)
    ApiToken.objects.update(expires_at=timezone.now())
    create_token(student, name="one more", days=1)

    assert ApiToken.objects.get().name == "one more"


def test_a_revoked_token_stops_working(student: User) -> None:
    token, plain = create_token(student, name="laptop", days=1)

    revoke_token(student, token.pk)

    assert find_user(plain) is None


def test_nobody_revokes_the_token_of_somebody_else(student: User, other_student: User) -> None:
    token, plain = create_token(student, name="laptop", days=1)

    with pytest.raises(NotFoundError):
        revoke_token(other_student, token.pk)

    assert find_user(plain) == student


def _make_token(user: User) -> ApiToken:
    return create_token(user, name="made once", days=1)[0]


def test_the_same_key_gives_the_same_object(student: User) -> None:
    made = [
        once(
            student,
            scope="tokens",
            key="k1",
            create=lambda: _make_token(student),
            find=lambda object_id: ApiToken.objects.get(pk=object_id),
        )
        for _try in range(3)
    ]

    assert len({token.pk for token in made}) == 1
    assert ApiToken.objects.count() == 1


def test_two_people_may_use_the_same_key(student: User, other_student: User) -> None:
    for user in (student, other_student):
        once(
            user,
            scope="tokens",
            key="k1",
            create=partial(_make_token, user),
            find=ApiToken.objects.get,
        )

    assert ApiToken.objects.count() == 2


def test_a_key_whose_object_was_not_made_stays_free(student: User) -> None:
    def fail() -> ApiToken:
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        once(student, scope="tokens", key="k1", create=fail, find=ApiToken.objects.get)

    assert not IdempotencyKey.objects.exists()


def test_an_old_key_may_be_used_again(student: User) -> None:
    def make() -> ApiToken:
        return once(
            student,
            scope="tokens",
            key="k1",
            create=lambda: _make_token(student),
            find=ApiToken.objects.get,
        )

    make()
    IdempotencyKey.objects.update(
        created_at=timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS, minutes=1)
    )
    make()

    assert ApiToken.objects.count() == 2


def test_a_key_that_is_too_long_is_refused(student: User) -> None:
    with pytest.raises(InvalidInputError):
        once(
            student,
            scope="tokens",
            key="k" * 201,
            create=lambda: _make_token(student),
            find=ApiToken.objects.get,
        )
