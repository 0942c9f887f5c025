"""A template with slots, which stands for a base text and its minimal pairs.

    The {animal|dog|} didn't cross the {street|road}

The first choice of each slot makes the base; an empty one leaves it out. `{{` and `}}` are braces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from viz.compare.minimal_pairs import (
    Variant,
    Variants,
    collected,
    joined,
    require_few,
    require_short,
    shortened,
)
from viz.errors import TextError

PIECES = re.compile(r"\{\{|\}\}|[{|}]|[^{|}]+")

BRACES = {"{{": "{", "}}": "}"}

# Characters around a mistake that a message quotes.
QUOTED = 24


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read.

    Attributes:
        plain: the text before, between and after the slots; one more than there are slots.
        slots: the choices of each, the base's first.
    """

    plain: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]

    @property
    def base(self) -> str:
        """The text of the first choices."""
        return self.text([slot[0] for slot in self.slots])

    def text(self, choices: Sequence[str]) -> str:
        """Write a choice into each slot; an empty one takes a space beside it away."""
        parts = [self.plain[0]]
        for choice, after in zip(choices, self.plain[1:], strict=True):
            parts += [choice, after]
        return joined(parts)

    def variant(self, choices: Sequence[str]) -> Variant:
        """Write a choice into each slot, and name the text by what is not the base's."""
        named = [
            f"{slot[0]} → {choice}".strip()
            for slot, choice in zip(self.slots, choices, strict=True)
            if choice != slot[0]
        ]
        return Variant(shortened(", ".join(named)) or "base", self.text(choices))

    def named(self, values: Mapping[str, str]) -> Variant:
        """Write values into the slots that are named by their first choice; others stay the base's."""
        return self.variant([values.get(slot[0], slot[0]).strip() for slot in self.slots])


def filled(template: str, *, every: bool = False) -> Variants:
    """Fill the slots of a template.

    Args:
        template: see above.
        every: take every combination of choices; else one slot at a time differs from the base.

    Raises:
        TextError: a brace is not closed or not opened, a slot has no choices, no slot has two, there are
            too many texts, or one of them is empty.
    """
    read = read_template(template)
    if all(len(slot) == 1 for slot in read.slots):
        raise TextError(
            "The template has no slot with two choices.",
            'Write one as in "The {animal|dog} slept."',
        )
    base = [slot[0] for slot in read.slots]
    if every:
        require_few(math.prod(len(slot) for slot in read.slots))
        chosen = [list(one) for one in product(*read.slots)][1:]
    else:
        require_few(1 + sum(len(slot) - 1 for slot in read.slots))
        chosen = [
            [*base[:number], choice, *base[number + 1 :]]
            for number, slot in enumerate(read.slots)
            for choice in slot[1:]
        ]
    return collected(read.base, map(read.variant, chosen))


def read_template(template: str) -> Template:
    """Read a template.

    Raises:
        TextError: a brace is not closed or not opened, or a slot has no choices.
    """
    require_short(template, "template")
    plain: list[str] = [""]
    slots: list[tuple[str, ...]] = []
    slot: list[str] | None = None
    opened = 0
    for found in PIECES.finditer(template):
        piece = found[0]
        if piece == "{":
            if slot is not None:
                raise _wrong(template, opened, "is not closed before another one opens")
            slot, opened = [""], found.start()
        elif piece == "}":
            if slot is None:
                raise _wrong(template, found.start(), "closes a slot that was never opened")
            slots.append(tuple(choice.strip() for choice in slot))
            if not any(slots[-1]):
                raise _wrong(template, opened, "opens a slot without choices")
            slot = None
            plain.append("")
        elif piece == "|" and slot is not None:
            slot.append("")
        else:
            (plain if slot is None else slot)[-1] += BRACES.get(piece, piece)
    if slot is not None:
        raise _wrong(template, opened, "is not closed")
    return Template(tuple(plain), tuple(slots))


def _wrong(template: str, at: int, what: str) -> TextError:
    near = template[max(0, at - QUOTED // 2) : at + QUOTED]
    return TextError(
        f"The brace at character {at + 1} of the template, in {near!r}, {what}.",
        'Write a slot as in "{animal|dog}", and {{ or }} for a brace itself.',
    )
