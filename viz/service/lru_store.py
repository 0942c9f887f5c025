"""A bounded store: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

# Whoever holds so many times an equal share of the room makes room before others.
GREEDY = 2


class BoundedStore(Generic[Item]):
    """Keeps items under their keys while their sizes add up to no more than a limit.

    The newest item is kept even if it alone is larger, because somebody is looking at it.

    Args:
        limit: of the sizes together.
        size: of an item, asked for once.
        owner: of a key, asked for when an item is put there; to make room for an item its owner's others go
            first, then those of whoever holds a lot more than an equal share, then those that were not used for longest.
        each: of the sizes of one owner's items together; None where only the limit counts.
    """

    def __init__(
        self,
        limit: int,
        size: Callable[[Item], int],
        owner: Callable[[Any], Hashable] = lambda _: None,
        each: int | None = None,
    ) -> None:
        self._limit = limit
        self._size = size
        self._owner = owner
        self._each = limit if each is None else each
        # Each with its size, so that what is added does not ask all others for theirs, and its owner.
        self._items: OrderedDict[Hashable, tuple[Item, int, Hashable]] = OrderedDict()
        self._held: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Item | None:
        """Return an item and count it as used."""
        with self._lock:
            kept = self._items.get(key)
            if kept is None:
                return None
            self._items.move_to_end(key)
            return kept[0]

    def made(self, key: Hashable, make: Callable[[], Item]) -> Item:
        """Return an item, made and kept if it is not there; two who ask at once may both make it."""
        item = self.get(key)
        if item is None:
            item = make()
            self.put(key, item)
        return item

    def put(self, key: Hashable, item: Item) -> None:
        """Keep an item, letting go of others as needed; its size is asked for once."""
        size, owner = self._size(item), self._owner(key)
        with self._lock:
            self._forget(key)
            self._items[key] = item, size, owner
            self._held[owner] += size
            while self._held[owner] > self._each and self._forget_oldest_of({owner}, but=key):
                pass
            while self._held.total() > self._limit and self._make_room(owner, but=key):
                pass

    def drop(self, key: Hashable) -> None:
        """Let go of an item, if it is there."""
        with self._lock:
            self._forget(key)

    def clear(self) -> bool:
        """Let go of all items; whether there were any."""
        with self._lock:
            there = bool(self._items)
            self._items.clear()
            self._held.clear()
        return there

    def _make_room(self, owner: Hashable, but: Hashable) -> bool:
        """Let go of what an owner who makes room has, or else of what others can best do without; whether there was any."""
        if self._forget_oldest_of({owner}, but):
            return True
        much = GREEDY * self._limit / len(self._held)
        greedy = {whose for whose, held in self._held.items() if held > much}
        return self._forget_oldest_of(greedy, but) or self._forget_oldest_of(set(self._held), but)

    def _forget_oldest_of(self, owners: Collection[Hashable], but: Hashable) -> bool:
        """Let go of the item of some owners that was not used for longest; whether there was one."""
        theirs = (key for key, (*_, whose) in self._items.items() if whose in owners and key != but)
        oldest = next(theirs, None)
        if oldest is None:
            return False
        self._forget(oldest)
        return True

    def _forget(self, key: Hashable) -> None:
        _, size, owner = self._items.pop(key, (None, 0, None))
        self._held[owner] -= size
        if not self._held[owner]:
            del self._held[owner]
