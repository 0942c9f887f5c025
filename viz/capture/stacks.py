"""Which recorded layers belong together, what each run of them is called, and what its units are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from viz.capture.layer import Layer
from viz.capture.merged import both_sides
from viz.capture.sparse import SparseLayer
from viz.capture.stack import Stack, Stacks
from viz.models.tokens import Units, extended, numbered_units

NUMBER = re.compile(r"(?:(?<=\.)|^)\d+(?=\.|$)")

CROSS = re.compile(r"cross|encoder_attn|encdec|enc_dec|multihead_attn|encoder_decoder_attn")
POOL = re.compile(r"pool|head\.attention")
STREAMS = (("content", re.compile("#content")), ("query", re.compile("#query")))
PARTS = (
    *STREAMS,
    ("decoder", re.compile(r"decoder")),
    ("encoder", re.compile(r"encoder|block|stage")),
)
TOWERS = (
    ("vision", re.compile(r"vision|visual|image|pixel|patch|\bvit\b")),
    ("audio", re.compile(r"audio|speech|acoustic|whisper")),
    ("qformer", re.compile(r"qformer|perceiver|resampler")),
    ("text", re.compile(r"text|language|\blm\b|llm|thinker")),
)

# What the units of a tower are called where nothing names them one by one.
UNIT_KINDS = {"vision": "patch", "audio": "frame"}

# The path of its layers, and how many queries and keys: of these all, and those that are the model's
# own units, because a layer may add some of its own.
Group = tuple[str, int, int, int]


def stacks_of(
    layers: Sequence[Layer], known: Iterable[Units], unnamed: Callable[[int], Units]
) -> Stacks:
    """Group layers into stacks: same place in the model, same queries, same keys.

    Args:
        layers: in the order in which the model called them.
        known: units that have names, such as the text's tokens; matched by their number.
        unnamed: names so many units where none of those fits.

    Returns:
        Stacks by name: `self` where there is one; else `encoder`, `decoder`, `cross`, or the
        towers (`vision`, `text`, ...), numbered where a name is needed more than once.
    """
    groups: dict[Group, list[Layer]] = {}
    for layer in layers:
        own = layer.tokens if isinstance(layer, SparseLayer) else layer.shape[1]
        groups.setdefault((NUMBER.sub("*", layer.name), *layer.shape, own), []).append(layer)
    sides = list(known)
    by_count = {len(units): units for units in reversed(sides)}
    stacks = Stacks()
    for group, name in zip(groups, _names(list(groups)), strict=True):
        _, queries, keys, tokens = group
        unit = next((word for tower, word in UNIT_KINDS.items() if tower in name), None)
        both = both_sides(groups[group], sides)
        names = by_count if both is None else {**by_count, keys: both}
        looking, seen = (
            side
            if side is not None and len(side) == count
            # Where a layer adds keys of its own, they come after the model's units.
            else _named(count, count if keys == tokens else tokens, names, unnamed, unit)
            for side, count in zip(_sides(name, sides), (queries, keys), strict=True)
        )
        stacks[name] = Stack(name, tuple(groups[group]), looking, seen)
    return stacks


def _named(
    count: int,
    most: int,
    by_count: Mapping[int, Units],
    unnamed: Callable[[int], Units],
    unit: str | None,
) -> Units:
    """Name units by their number; those above the most that the model has are the layer's own."""
    own = min(count, most)
    units = by_count.get(count) or by_count.get(own)
    if units is None:
        other = unnamed(own)
        units = other if unit in (None, other.kind) else numbered_units(unit, own)
    return extended(units, count)


def _sides(name: str, known: Sequence[Units]) -> tuple[Units | None, Units | None]:
    """Say who looks at whom where a source and a target may be of one length."""
    if len(known) != 2:
        return None, None
    source, target = known
    if "cross" in name:
        return target, source
    side = target if "decoder" in name else source if "encoder" in name else None
    return side, side


def _names(groups: Sequence[Group]) -> list[str]:
    """Name every group by what tells it from the others: its tower, its part, its number."""
    if len(groups) == 1:
        return ["self"]
    towers = [_first(TOWERS, path) for path, *_ in groups]
    parts = [_part(*group) for group in groups]
    several_towers = len(set(towers)) > 1
    plain = []
    for tower, part in zip(towers, parts, strict=True):
        same = {p for t, p in zip(towers, parts, strict=True) if t == tower}
        # A tower's own layers bear its name; what else it has says what it is.
        alone = len(same) == 1 or part in ("encoder", "")
        if several_towers and tower:
            plain.append(tower if alone else f"{tower}_{part}")
        else:
            plain.append(part or "self")
    return _numbered(plain)


def _part(path: str, queries: int, keys: int, own: int) -> str:
    if POOL.search(path.lower()):
        return "pool"
    # Vision encoders pool their keys or their queries, and still look at themselves.
    pooling = _first(PARTS, path) == "encoder"
    if CROSS.search(path.lower()) or (queries not in (keys, own) and not pooling):
        return "cross"
    return _first(PARTS, path)


def _numbered(names: Sequence[str]) -> list[str]:
    """Number names that are used more than once, from 1."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(f"{name}_{seen[name]}" if names.count(name) > 1 else name)
    return result


def _first(words: Sequence[tuple[str, re.Pattern[str]]], path: str) -> str:
    return next((word for word, pattern in words if pattern.search(path.lower())), "")


def main_stack(stacks: Mapping[str, Stack]) -> Stack:
    """Return the stack to show first: the text's, the decoder's, or the first that there is."""
    for name in ("self", "text", "decoder", "encoder"):
        if name in stacks:
            return stacks[name]
    return next(iter(stacks.values()))
