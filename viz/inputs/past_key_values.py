"""Keys and values of an earlier pass, given among a model's inputs: copied for each pass, and named."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from transformers import Cache, DynamicCache, EncoderDecoderCache
from transformers.cache_utils import CacheLayerMixin

from viz.errors import ShapeError
from viz.inputs.units import Units, numbered_units
from viz.models.argument_checks import kind_of_value

PAST = "past_key_values"

# Keys and values of a layer; of its own and of what it looks across at.
SELF_ATTENTION, WITH_CROSS = 2, 4


def as_past(value: Any) -> Cache | None:
    """Take what is given as a past: a cache of transformers, or tuples of keys and values by layer.

    Raises:
        ShapeError: it is something else.
    """
    if value is None or isinstance(value, Cache):
        return value
    layers = list(value) if isinstance(value, (tuple, list)) else []
    sizes = {len(layer) if isinstance(layer, (tuple, list)) else 0 for layer in layers}
    if not layers or not sizes <= {SELF_ATTENTION, WITH_CROSS} or len(sizes) > 1:
        raise ShapeError(
            f"The {PAST} are {kind_of_value(value)}.",
            "Give the cache that the model returned, a key and a value of each layer, or leave them "
            "out and give the whole text.",
        )
    own = _dynamic([layer[:2] for layer in layers])
    if sizes == {SELF_ATTENTION}:
        return own
    return EncoderDecoderCache(own, _dynamic([layer[2:] for layer in layers]))


def _dynamic(layers: Sequence[Sequence[Any]]) -> DynamicCache:
    cache = DynamicCache()
    for number, (key, value) in enumerate(layers):
        if not (isinstance(key, Tensor) and isinstance(value, Tensor) and key.ndim >= 3):
            raise ShapeError(
                f"Layer {number} of the {PAST} holds no key and value.",
                "Give tensors [batch, head, token, d].",
            )
        cache.update(key, value, number)
    return cache


def copied_past(value: Any) -> Any:
    """Copy a cache and all that it holds, because each pass writes to the one that it is given."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(copied_past(one) for one in value)
    if type(value) is dict:
        return {name: copied_past(one) for name, one in value.items()}
    if isinstance(value, (Cache, CacheLayerMixin)):
        made = copy.copy(value)
        made.__dict__.update({name: copied_past(one) for name, one in vars(value).items()})
        return made
    return value


def past_of_item(cache: Cache, item: int) -> Cache:
    """Take one input's keys and values out of those of a batch."""
    own: Cache = copied_past(cache)
    halves = (
        (own.self_attention_cache, own.cross_attention_cache)
        if isinstance(own, EncoderDecoderCache)
        else (own,)
    )
    # Not by the cache's own method, which static layers do not have.
    for layer in (layer for half in halves for layer in half.layers):
        for name in ("keys", "values"):
            held = getattr(layer, name, None)
            if isinstance(held, Tensor) and held.ndim > 2:
                setattr(layer, name, held[item : item + 1].clone())
        if isinstance(getattr(layer, "max_batch_size", None), int):
            layer.max_batch_size = 1
    return own


def past_length(cache: Cache | None) -> int:
    """How many tokens a past holds."""
    return 0 if cache is None else int(cache.get_seq_length())


def keys_with_past(cache: Cache, new: Units) -> list[Units]:
    """Name the keys of each kind of layer: what is past by its number, then what is read now.

    A layer with a sliding window keeps the last of them alone; a static cache has places that nothing
    was written to yet.
    """
    count = past_length(cache)
    whole = _joined(_relabelled(count, "past"), new)
    lengths = {count + len(new): whole}
    own = cache.self_attention_cache if isinstance(cache, EncoderDecoderCache) else cache
    for layer in getattr(own, "layers", []):
        keys = getattr(layer, "keys", None)
        if not isinstance(keys, Tensor) or keys.ndim < 3:
            continue
        held = int(keys.shape[-2])
        if held < count:
            lengths.setdefault(held + len(new), whole.part(count - held, len(whole)))
        elif held > count:
            spare = _relabelled(max(0, held - len(whole)), "unused")
            spare = replace(spare, special=(True,) * len(spare))
            lengths.setdefault(held, _joined(whole, spare))
    return list(lengths.values())


def _relabelled(count: int, word: str) -> Units:
    units = numbered_units("token", count)
    labels = tuple(f"{word} {number}" for number in range(count))
    return replace(units, labels=labels, ids=(-1,) * count, words=(None,) * count)


def _joined(first: Units, second: Units) -> Units:
    """Lay units one after the other, as those of the second's kind."""
    names = ("labels", "texts", "ids", "special", "spans", "words", "segments")
    fields = {name: (*getattr(first, name), *getattr(second, name)) for name in names}
    return Units(kind=second.kind, **fields)
