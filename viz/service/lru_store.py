"""A bounded store: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class BoundedStore(Generic[Item]):
    """Keeps items under their keys while their sizes add up to no more than a limit.

    The newest item is kept even if it alone is larger, because somebody is looking at it.

    Args:
        limit: of the sizes together.
        size: of an item, asked for once.
        owner: of a key; to make room for an item its owner's others go before anybody else's.
    """

    def __init__(
        self,
        limit: int,
        size: Callable[[Item], int],
        owner: Callable[[Any], Hashable] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._size = size
        self._owner = owner
        # Each with its size, so that what is added does not ask all others for theirs.
        self._items: OrderedDict[Hashable, tuple[Item, int]] = OrderedDict()
        self._held = 0
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
        size = self._size(item)
        with self._lock:
            self._forget(key)
            self._items[key] = item, size
            self._held += size
            while len(self._items) > 1 and self._held > self._limit:
                owner, oldest = self._owner(key), next(iter(self._items))
                own = (one for one in self._items if one != key and self._owner(one) == owner)
                self._forget(next(own, oldest))

    def drop(self, key: Hashable) -> None:
        """Let go of an item, if it is there."""
        with self._lock:
            self._forget(key)

    def clear(self) -> bool:
        """Let go of all items; whether there were any."""
        with self._lock:
            there = bool(self._items)
            self._items.clear()
            self._held = 0
        return there

    def _forget(self, key: Hashable) -> None:
        _, size = self._items.pop(key, (None, 0))
        self._held -= size
