"""Which parts of a module are running, and what each was given: so that one can be run again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class PartCall:
    """One run of a part.

    Attributes:
        name: of the part; empty for the whole.
        part: itself.
        args: of its forward.
        kwargs: of its forward.
        first: how many products had been made when it began.
        outer: the run of the part that called it; None for the whole.
    """

    name: str
    part: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    first: int
    outer: PartCall | None


class RunningParts:
    """Follows in this thread which parts run, for as long as the context lasts.

    Args:
        module: the whole.
        products: says how many products were made so far.
    """

    def __init__(self, module: nn.Module, products: Callable[[], int]) -> None:
        self.module = module
        self.current: PartCall | None = None
        self._products = products
        self._handles: list[Any] = []

    def __enter__(self) -> RunningParts:
        owner = threading.get_ident()

        def begin(name: str) -> Callable[..., None]:
            def before(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                if threading.get_ident() == owner:
                    self.current = PartCall(
                        name, part, args, kwargs, self._products(), self.current
                    )

            return before

        def end(part: nn.Module, *_: Any) -> None:
            # A part whose forward failed before its hooks ran has no call to end.
            running = self.current
            if threading.get_ident() == owner and running is not None and running.part is part:
                self.current = running.outer

        for name, part in self.module.named_modules():
            self._handles.append(part.register_forward_pre_hook(begin(name), with_kwargs=True))
            self._handles.append(part.register_forward_hook(end, always_call=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self.current = None
