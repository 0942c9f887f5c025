"""The attention implementations that a transformers model can be set to, for the length of a pass."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from viz.capture.tiers.registry import MASKED_NAME, STOCK_NAME

EAGER_NAME = "eager"


def given_ways(module: nn.Module) -> frozenset[str]:
    """Return the attention implementations that a module's transformers models are set to."""
    named = (config._attn_implementation for config in _configs(module))
    return frozenset(str(name) for name in named if name is not None)


def ways_to_try(module: nn.Module) -> tuple[str | None, ...]:
    """Name the ways in which a module's attention may show, the best first; None leaves it as it is.

    What runs on the stock kernel is seen as it is. What runs on its own eager attention is seen more
    cheaply on ours, which keeps queries and keys instead of every weight; what runs on another kernel
    (flash, flex) is seen on the stock one. Every way but None has to be proven.
    """
    given = given_ways(module)
    if not given:
        return (None,)
    if given <= {STOCK_NAME}:
        return (None, EAGER_NAME)
    if given <= {STOCK_NAME, EAGER_NAME}:
        return (MASKED_NAME, None)
    return (STOCK_NAME, MASKED_NAME, EAGER_NAME)


@contextmanager
def switched(module: nn.Module, way: str | None) -> Iterator[bool]:
    """Set a module's attention for a while, and put back exactly what was there.

    Yields:
        Whether anything was changed; False where the way is None, or where it cannot be set.
    """
    if way is None:
        yield False
        return
    before = [(config, config._attn_implementation) for config in _configs(module)]
    log = logging.getLogger("transformers.modeling_utils")
    level = log.level
    # It warns of models that take no such setting; we find that out by looking.
    log.setLevel(logging.ERROR)
    try:
        for part in _outermost(module):
            try:
                part.set_attn_implementation(way)
            except (ValueError, AttributeError, ImportError):
                continue
    finally:
        log.setLevel(level)
    try:
        yield any(config._attn_implementation != was for config, was in before)
    finally:
        for config, was in before:
            config._attn_implementation_internal = was


def _outermost(module: nn.Module) -> list[PreTrainedModel]:
    """List the transformers models in a module that are in no other."""
    if isinstance(module, PreTrainedModel):
        return [module]
    return [part for child in module.children() for part in _outermost(child)]


def _configs(module: nn.Module) -> list[Any]:
    """List every configuration of a module's transformers models, those within others too, once."""
    found: dict[int, PretrainedConfig] = {}

    def add(config: Any) -> None:
        if isinstance(config, PretrainedConfig) and id(config) not in found:
            found[id(config)] = config
            for name in type(config).sub_configs:
                add(getattr(config, name, None))

    for part in module.modules():
        if isinstance(part, PreTrainedModel):
            add(part.config)
    return list(found.values())
