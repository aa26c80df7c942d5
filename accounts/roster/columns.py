"""Words of a roster file: its columns and roles, in English and Japanese."""

from __future__ import annotations

import unicodedata

from accounts.models import Membership

Role = Membership.Role

COLUMNS: dict[str, tuple[str, ...]] = {
    "email": ("email", "e-mail", "mail", "email address", "メール", "メールアドレス", "Eメール"),
    "username": ("username", "user name", "user", "login", "ユーザー名", "ユーザ名"),
    "name": ("name", "full name", "display name", "氏名", "名前"),
    "role": ("role", "役割"),
}
ROLES: dict[Role, tuple[str, ...]] = {
    Role.STUDENT: ("student", "受講者", "受講生", "学生", "生徒"),
    Role.ASSISTANT: (
        "assistant",
        "teaching assistant",
        "TA",
        "補助講師",
        "ティーチングアシスタント",
    ),
    Role.INSTRUCTOR: ("instructor", "teacher", "講師", "教員"),
    Role.OBSERVER: ("observer", "見学者"),
}


def plain(text: str) -> str:
    """What was typed, whether in full width or not, without spaces at its ends."""
    return unicodedata.normalize("NFKC", text).strip()


def _key(word: str) -> str:
    return plain(word).casefold().translate(dict.fromkeys(map(ord, " _-　")))


_COLUMN_OF = {_key(word): column for column, words in COLUMNS.items() for word in words}
_ROLE_OF = {_key(word): role for role, words in ROLES.items() for word in words}


def column_of(heading: str) -> str | None:
    return _COLUMN_OF.get(_key(heading))


def role_of(word: str) -> Role | None:
    return _ROLE_OF.get(_key(word))
