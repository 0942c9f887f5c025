"""What grows by a file and a line: statistics, ways of seeing attention, tasks, views, formats to export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from viz.errors import InputError

# The entry point group under which another package names modules that add something.
EXTENSIONS = "attention_loupe"


class Named(Protocol):
    """Anything with a name of its own."""

    @property
    def name(self) -> str:
        """By which it is known in links, files and Python."""


Item = TypeVar("Item", bound=Named)


class Registry(Generic[Item]):
    """Things of one kind by their names, in the order in which they were added.

    Args:
        kind: what each is called, as in "There is no statistic 'entrpy'."
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._items: dict[str, Item] = {}

    def add(self, item: Item) -> Item:
        """Add one, and return it.

        Raises:
            ValueError: there is another of that name.
        """
        if self._items.get(item.name, item) is not item:
            raise ValueError(f"There are two {self._kind}s of the name {item.name!r}.")
        self._items[item.name] = item
        return item

    def remove(self, name: str) -> None:
        """Take one away; nothing happens where there is none of that name."""
        self._items.pop(name, None)

    def find(self, name: str) -> Item:
        """Return one by its name.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self._items:
            near = get_close_matches(name, self._items, n=1)
            raise InputError(
                f"There is no {self._kind} {name!r:.40}.",
                f"Did you mean {near[0]}?" if near else f"Choose one of {', '.join(self._items)}.",
            )
        return self._items[name]

    def __getitem__(self, name: str) -> Item:
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> list[tuple[str, Item]]:
        """List names and what they name."""
        return list(self._items.items())

    def values(self) -> list[Item]:
        """List all."""
        return list(self._items.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(self._items)


def load_extensions() -> None:
    """Import the modules that installed packages name under `attention_loupe`; each adds what it has."""
    _load_from(tuple(sys.path))


# Every run of a page asks; what is installed is looked through once.
@cache
def _load_from(_path: tuple[str, ...]) -> None:
    for entry in entry_points(group=EXTENSIONS):
        entry.load()
