"""A bounded store: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BoundedStore(Generic[Item]):
    """Keeps items under their keys while their sizes add up to no more than a limit.

    The newest item is kept even if it alone is larger, because somebody is looking at it.
    """

    def __init__(self, limit: int, size: Callable[[Item], int]) -> None:
        self._limit = limit
        self._size = size
        self._items: OrderedDict[Hashable, Item] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Item | None:
        """Return an item and count it as used."""
        with self._lock:
            item = self._items.get(key)
            if item is not None:
                self._items.move_to_end(key)
            return item

    def put(self, key: Hashable, item: Item) -> None:
        """Keep an item, letting go of others as needed."""
        with self._lock:
            self._items[key] = item
            self._items.move_to_end(key)
            while len(self._items) > 1 and sum(map(self._size, self._items.values())) > self._limit:
                self._items.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        """Let go of an item, if it is there."""
        with self._lock:
            self._items.pop(key, None)
