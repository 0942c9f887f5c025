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


@contextmanager
def preserved(module: nn.Module) -> Iterator[None]:
    """Undo what a pass changes on a module: attributes, parts, buffers and hooks, not their numbers.

    BigBird takes up full attention for good after one short text; a later long text would then be
    computed as the model alone never would.
    """
    before = [(part, dict(part.__dict__), _contents(part)) for part in module.modules()]
    try:
        yield
    finally:
        for part, attributes, contents in before:
            for name in part.__dict__.keys() - attributes.keys():
                del part.__dict__[name]
            part.__dict__.update(attributes)
            for name, content in contents.items():
                held = part.__dict__[name]
                if _differs(held, content):
                    held.clear()
                    held.update(content)


def _contents(part: nn.Module) -> dict[str, dict[str, Any]]:
    return {name: dict(part.__dict__[name]) for name in CONTENTS}


def _differs(held: dict[str, Any], content: dict[str, Any]) -> bool:
    return held.keys() != content.keys() or any(held[name] is not content[name] for name in held)
