"""Who comes next when the room is full: owners take turns, and each owner's requests keep their order. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """A request of somebody."""

    @property
    def owner(self) -> str: ...


Item = TypeVar("Item", bound=Owned)


class WaitingLine(Generic[Item]):
    """Requests that wait for a place.

    A request comes after as many rounds as its owner has requests before it, those being served included; so who asks
    for thirty answers at once makes nobody else wait for them. In one round, whose owner was served longest ago goes
    first, then the first to come.
    """

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._last_turns: dict[str, int] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """In order of arrival."""
        return iter(self._items)

    def add(self, item: Item) -> None:
        self._items.append(item)

    def remove(self, item: Item) -> None:
        self._items.remove(item)

    def serve(self, item: Item) -> None:
        """Take out a request that got its place."""
        self._items.remove(item)
        self._turn += 1
        self._last_turns[item.owner] = self._turn
        if not self._items:
            self._last_turns.clear()

    def in_turn(self, served: Iterable[Owned]) -> list[Item]:
        """All that wait, in the order in which they get a place.

        Args:
            served: requests that have one.
        """
        seen = Counter(item.owner for item in served)
        rounds = []
        for arrival, item in enumerate(self._items):
            rounds.append((seen[item.owner], self._last_turns.get(item.owner, 0), arrival, item))
            seen[item.owner] += 1
        return [entry[-1] for entry in sorted(rounds, key=lambda entry: entry[:3])]
