"""Every step of every attention within a model, as it runs."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from viz.models.custom.attention_module import Attention
from viz.models.custom.attention_steps import Steps


def steps_within(
    module: nn.Module, *args: Any, names: Collection[str] | None = None, **kwargs: Any
) -> dict[str, Steps]:
    """Run a model once, and return what each of its attentions computed on its way.

    Args:
        module: which holds attentions of ours.
        args: what its forward is given.
        names: of the parts that are wanted, as in `named_modules`; all by default.
        kwargs: what its forward is given by name.

    Returns:
        Steps by the name of the part, in the order in which they ran; of a part that ran more than
        once the last. Nothing carries gradients.

    Cost: the pass, and memory for several matrices [head, query, key] of every part that is wanted.
    """
    found: dict[str, Steps] = {}
    owner = threading.get_ident()
    handles = []
    for name, part in module.named_modules():
        if not isinstance(part, Attention) or (names is not None and name not in names):
            continue

        def before(
            part: nn.Module, given: tuple[Any, ...], named: dict[str, Any], name: str = name
        ) -> None:
            if threading.get_ident() == owner and isinstance(part, Attention):
                asked = {key: one for key, one in named.items() if key != "need_weights"}
                found[name] = part.steps(*given, **asked)

        handles.append(part.register_forward_pre_hook(before, with_kwargs=True))
    try:
        with torch.no_grad():
            module(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return found
