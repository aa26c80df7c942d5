"""What is kept about a person: every app names its parts, so that they can be handed over and erased."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.db.models import Model, QuerySet
from django.utils.functional import Promise

if TYPE_CHECKING:
    from accounts.models import User

ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in storage, to be handed over as it is."""

    name: str


Row = dict[str, Any]
Content = bytes | Iterable[Row] | StoredFile
Item = tuple[str, Content]
"""Where it lies in the archive, and what lies there."""


class StillBusyError(Exception):
    """Something of the person's is still being worked on: the erasure goes on a little later."""


def _nothing(user: User) -> None:
    """For parts in which nothing runs by itself."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One kind of thing that an app keeps about a person.

    Attributes:
        name: once in its app; it stands in the requests that are under way, so it never changes.
        describe: a sentence for the person: what is kept, and what an erasure leaves of it.
        models: whose rows it hands over or erases.
        collect: for the archive.
        erase: for good, files included. Done again it finishes what was begun; StillBusyError when it has to wait.
        stop: what runs for the person, and what others could still begin with the person's things.
    """

    app: str
    name: str
    describe: str | Promise
    models: tuple[type[Model], ...]
    collect: Callable[[User], Iterator[Item]]
    erase: Callable[[User], None]
    stop: Callable[[User], None] = _nothing

    @property
    def key(self) -> str:
        return f"{self.app}.{self.name}"


_parts: dict[str, PersonalData] = {}


def register(*parts: PersonalData) -> None:
    """Called when an app is ready; those that it builds on have been called before."""
    _parts.update({part.key: part for part in parts})


def parts() -> list[PersonalData]:
    """What others build on first: people before their datasets, those before jobs."""
    return list(_parts.values())


def parts_to_erase() -> list[PersonalData]:
    """What builds on others first: jobs before the datasets that they refer to, the person last."""
    return list(reversed(_parts.values()))


def rows(query: QuerySet[Any], *, without: Iterable[str] = ()) -> Iterator[Row]:
    """The rows of a table as they are stored.

    Args:
        without: columns that say nothing of the person: digests of secrets, marks of workers.
    """
    hidden = set(without)
    names = [field.attname for field in query.model._meta.concrete_fields]
    yield from query.values(*(name for name in names if name not in hidden)).iterator(
        chunk_size=ROWS_AT_ONCE
    )


def stored(name: str) -> StoredFile | None:
    """A file to hand over, where it is there."""
    return StoredFile(name) if name and default_storage.exists(name) else None
