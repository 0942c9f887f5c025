"""One pass of a module with every attention call shown, whichever way it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from viz.capture.tiers import sdpa_calls  # noqa: F401 - adds its way; a new one is named in this line
from viz.capture.tiers.call_tier import CALL_TIERS
from viz.capture.tiers.registry import Observer
from viz.capture.tiers.sdpa_calls import Watch


@contextmanager
def watch(
    module: nn.Module, observer: Observer, *, batch: int | None = None
) -> Iterator[Watch | None]:
    """Let `observer` see every attention call of a module, of a batch whose size may be known.

    Yields:
        What watches calls of the kernel, which knows of a call that is still to be reported.
    """
    with ExitStack() as stack:
        opened = [
            stack.enter_context(tier.watching(module, observer, batch))
            for tier in CALL_TIERS.values()
        ]
        yield next((one for one in opened if isinstance(one, Watch)), None)
