"""What a way of seeing attention calls is, and all that there are.

A new one is a file that adds a `CallTier` here, and its name in the line of `viz/capture/tiers/watching.py` (or, in
another package, an entry point of the group `attention_loupe`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import nn

from viz.capture.tiers.registry import Observer, observe
from viz.registry import Registry


@dataclass(frozen=True, slots=True)
class CallTier:
    """One way of seeing the attention calls of a module.

    Attributes:
        name: of the way.
        watching: given the whole module, who is to be shown every `AttentionCall`, and how many inputs a pass
            has (None if that is not known), a context in which calls made in this thread are shown. Whatever
            attention the way itself runs meanwhile is hidden from the others by `unobserved`.
    """

    name: str
    watching: Callable[[nn.Module, Observer, int | None], AbstractContextManager[Any]]


CALL_TIERS: Registry[CallTier] = Registry("way of seeing attention")

# Models that go through the registry of transformers, and parts that a user has named.
REGISTRY = CALL_TIERS.add(CallTier("registry", lambda _module, observer, _batch: observe(observer)))
