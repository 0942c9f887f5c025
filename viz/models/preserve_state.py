"""Models that change themselves while they run, put back to what they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

# What torch itself keeps on a module. Hooks too, because transformers puts some on in the first pass and
# notes so on the module: without the note and with the hooks it would put them on again.
CONTENTS = (
    *("_modules", "_buffers", "_forward_hooks", "_forward_hooks_with_kwargs"),
    *("_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
)

NOTHING: dict[str, Any] = {}


@contextmanager
def preserved(module: nn.Module) -> Iterator[None]:
    """Undo what a pass changes on a module: attributes, parts, buffers and hooks, not their numbers.

    BigBird takes up full attention for good after one short text; a later long text would then be
    computed as the model alone never would.
    """
    before = [(part, part.__dict__.copy(), _contents(part)) for part in module.modules()]
    try:
        yield
    finally:
        for part, attributes, contents in before:
            held = part.__dict__
            if held.keys() != attributes.keys():
                for name in held.keys() - attributes.keys():
                    del held[name]
            held.update(attributes)
            for name, content in zip(CONTENTS, contents, strict=True):
                if _differs(held[name], content):
                    held[name].clear()
                    held[name].update(content)


def _contents(part: nn.Module) -> list[dict[str, Any]]:
    held = part.__dict__
    # Most are empty, and every pass asks.
    return [held[name].copy() if held[name] else NOTHING for name in CONTENTS]


def _differs(held: dict[str, Any], content: dict[str, Any]) -> bool:
    """Whether a dict holds others than it did; most are empty."""
    if not held or not content:
        return bool(held) != bool(content)
    return held.keys() != content.keys() or any(held[name] is not content[name] for name in held)
