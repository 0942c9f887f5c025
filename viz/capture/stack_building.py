"""Which recorded layers belong together, what each run of them is called, and what its units are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from viz.capture.layers.channel_attention import ACROSS_CHANNELS
from viz.capture.layers.merged_keys import both_sides
from viz.capture.layers.recorded_layer import Layer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.layers.streams import in_streams
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.positions.units_in_input_order import IN_WINDOWS, Arranged
from viz.capture.stack import Stack, Stacks
from viz.capture.verification import OWN_KEYS_LAST
from viz.inputs.units import Units, extended, numbered_units, patch_grid

# A number in one name of a path: alone, or at the end of a word.
NUMBER = re.compile(r"(?:^|(?<=[A-Za-z_]))\d+(?=$|_)")

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
    groups: dict[Group, list[int]] = {}
    for number, layer in enumerate(layers):
        own = layer.tokens if isinstance(layer, SparseLayer) else layer.shape[1]
        groups.setdefault((path_of(layer.name), *layer.shape, own), []).append(number)
    sides = list(known)
    by_count = {len(units): units for units in reversed(sides)}
    proven = layers.names if isinstance(layers, Arranged) else {}
    stacks = Stacks()
    for group, name in zip(groups, _names(list(groups)), strict=True):
        _, queries, keys, tokens = group
        unit = next((word for tower, word in UNIT_KINDS.items() if tower in name), None)
        records = [layers[number] for number in groups[group]]
        own_names = [
            _agreed([proven.get(number, (None, None))[side] for number in groups[group]])
            for side in (0, 1)
        ]
        both = both_sides(records, sides)
        names = by_count if both is None else {**by_count, keys: both}
        looking, seen = (
            _by_what_it_is(records, count)
            or shown
            or in_streams(records, side, count)
            or (None if count in names else _keys_alone(records, (queries, keys), count, unnamed))
            or (
                side
                if side is not None and len(side) == count
                # Where a layer adds keys of its own, they come after the model's units.
                else _named(count, count if keys == tokens else tokens, names, unnamed, unit)
            )
            for shown, side, count in zip(
                own_names, _sides(name, sides), (queries, keys), strict=True
            )
        )
        # What looks across to another text may do so from streams of its own.
        by_count.setdefault(queries, looking)
        stacks[name] = Stack(name, tuple(records), looking, seen)
    return stacks


def path_of(name: str) -> str:
    """Write a path with a star for each number that counts layers.

    A number alone always does (`layers.3`), one at the end of a word (`encoder_layer_3`) where it is
    the deepest that holds others; `attn1` and `attn2` of one layer are two kinds of attention.
    """
    parts = name.split(".")
    numbered = [at for at, part in enumerate(parts) if NUMBER.search(part)]
    last = len(parts) - 1
    above = [at for at in numbered if at < last]
    for at in numbered:
        alone = parts[at].isdigit()
        if alone or (at == last and not above) or (above and at == above[-1]):
            parts[at] = NUMBER.sub("*", parts[at])
    return ".".join(parts)


def _agreed(names: Sequence[Units | None]) -> Units | None:
    """Return what every layer of a stack calls its units; None where they do not agree."""
    first = names[0]
    return first if first is not None and all(one == first for one in names) else None


def _by_what_it_is(records: Sequence[Layer], count: int) -> Units | None:
    """Name units that are no tokens, or whose places are not proven."""
    flags = {flag for record in records for flag in record.provenance.flags}
    if ACROSS_CHANNELS in flags:
        return numbered_units("channel", count)
    if IN_WINDOWS in flags:
        return _in_windows(records, count)
    return None


def _keys_alone(
    records: Sequence[Layer],
    shape: tuple[int, int],
    count: int,
    unnamed: Callable[[int], Units],
) -> Units | None:
    """Number keys apart from queries, where a module of someone's own adds some and nothing says where."""
    queries, keys = shape
    if count != keys or keys <= queries or unnamed(count).kind != "position":
        return None
    last = all(OWN_KEYS_LAST in record.provenance.flags for record in records)
    return None if last else numbered_units("key", count)


def _in_windows(records: Sequence[Layer], count: int) -> Units:
    """Number units by their window, where that is all that is known of them."""
    units = numbered_units("window token", count)
    windows = {
        int(record.tensors[0].shape[0])
        for record in records
        if isinstance(record, (WindowedLayer, ReportedWindows))
    }
    if len(windows) != 1 or count % max(windows):
        return units
    each = count // windows.pop()
    labels = tuple(f"window {number // each}: {number % each}" for number in range(count))
    return replace(units, labels=labels)


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
    if units is not None and units.kind == "patch" and patch_grid(units) is not None:
        # As many as the picture has patches; that they stand there has not been proven.
        return numbered_units("patch", count)
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
