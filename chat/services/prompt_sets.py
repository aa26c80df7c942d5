"""Keep sets of questions: make them, change them, copy and delete them.

`seen` is the digest of the set as the person saw it; where it is empty, any state will do.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from chat.models import PromptSet
from chat.prompt_sets.items import Item, Located, digest_of, read_items, stored_items
from chat.services.texts import MAX_NAME_CHARACTERS, clean_name
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError

MAX_SETS = 100
"""Of one person: each may be a megabyte."""


@transaction.atomic
def create_set(owner: User, *, name: str, items: list[Item]) -> PromptSet:
    """
    Raises:
        InvalidInputError: it has no name.
        ConflictError: the person has as many sets as one may have.
    """
    name = _read_name(name)
    # One after another, so that the last place is given once.
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    if PromptSet.objects.filter(owner=owner).count() >= MAX_SETS:
        raise ConflictError(
            _("You have %(limit)d prompt sets, as many as one can have. Delete one first.")
            % {"limit": MAX_SETS}
        )
    return PromptSet.objects.create(
        owner=owner, name=name, items=_rows(items), digest=digest_of(items)
    )


def duplicate_set(prompt_set: PromptSet) -> PromptSet:
    """A copy with a name of its own.

    Raises:
        ConflictError: the person has as many sets as one may have.
    """
    sentence = _("%(name)s (copy)")
    room = MAX_NAME_CHARACTERS - len(sentence % {"name": ""})
    return create_set(
        prompt_set.owner,
        name=sentence % {"name": prompt_set.name[:room]},
        items=stored_items(prompt_set.items),
    )


def rename_set(prompt_set: PromptSet, name: str) -> PromptSet:
    """Raises InvalidInputError when the name is empty."""
    prompt_set.name = _read_name(name)
    prompt_set.save(update_fields=["name", "updated_at"])
    return prompt_set


def replace_items(prompt_set: PromptSet, items: list[Item], seen: str = "") -> PromptSet:
    """All questions anew. Runs that have begun keep theirs.

    Raises:
        NotFoundError: it was deleted meanwhile.
        ConflictError: it was changed meanwhile.
    """
    with transaction.atomic():
        return _store(_locked(prompt_set, seen), items)


def add_item(prompt_set: PromptSet, values: dict[str, Any], seen: str = "") -> PromptSet:
    """One question more, at the end.

    Raises:
        InvalidInputError: it can not be used, or the set is full.
        NotFoundError, ConflictError: it was deleted or changed meanwhile.
    """
    with transaction.atomic():
        locked = _locked(prompt_set, seen)
        return _store(locked, read_items([*_located(locked), Located(**values)]))


def change_item(
    prompt_set: PromptSet, number: int, values: dict[str, Any], seen: str = ""
) -> PromptSet:
    """Another wording of the question with that number, from 1.

    Raises:
        InvalidInputError: it can not be used.
        NotFoundError, ConflictError: the set was deleted or changed meanwhile, or has no such question.
    """
    with transaction.atomic():
        locked = _locked(prompt_set, seen)
        rows = _located(locked)
        rows[_place(rows, number)] = Located(**values)
        return _store(locked, read_items(rows))


def remove_item(prompt_set: PromptSet, number: int, seen: str = "") -> PromptSet:
    """Without the question with that number, from 1.

    Raises:
        InvalidInputError: it is the last one.
        NotFoundError, ConflictError: the set was deleted or changed meanwhile, or has no such question.
    """
    with transaction.atomic():
        locked = _locked(prompt_set, seen)
        rows = _located(locked)
        del rows[_place(rows, number)]
        if not rows:
            raise InvalidInputError(
                _("This is the only question. Change it, or delete the whole set.")
            )
        return _store(locked, read_items(rows))


def delete_set(prompt_set: PromptSet) -> None:
    """Its runs stay, with the questions as they were."""
    prompt_set.delete()


def _locked(prompt_set: PromptSet, seen: str) -> PromptSet:
    locked = PromptSet.objects.select_for_update().filter(pk=prompt_set.pk).first()
    if locked is None:
        raise NotFoundError(_("There is no prompt set with this id, or it is not yours."))
    if seen and locked.digest != seen:
        raise ConflictError(
            _(
                "The set was changed in another window, so nothing was saved. "
                "Load the page again, then repeat your change."
            )
        )
    return locked


def _store(prompt_set: PromptSet, items: list[Item]) -> PromptSet:
    prompt_set.items, prompt_set.digest = _rows(items), digest_of(items)
    prompt_set.save(update_fields=["items", "digest", "updated_at"])
    return prompt_set


def _located(prompt_set: PromptSet) -> list[Located]:
    return [Located(item.prompt, item.reference) for item in stored_items(prompt_set.items)]


def _place(rows: list[Located], number: int) -> int:
    if not 1 <= number <= len(rows):
        raise NotFoundError(_("The set has no question number %(number)d.") % {"number": number})
    return number - 1


def _rows(items: list[Item]) -> list[dict[str, str]]:
    return [item.as_dict() for item in items]


def _read_name(name: str) -> str:
    name = clean_name(name)
    if not name:
        sentence = _("Give the set a name.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="name")])
    return name
