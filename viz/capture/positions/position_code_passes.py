"""Passes of a model over numbers that tell where each unit of its attention comes from.

Every cell of what units are made of, of the output of a convolution, of an embedding, of an input, gets
content of ours, and every attention looks at itself alone meanwhile (its softmax is the identity), so that
nothing is mixed. First the cells take small steps, each a share that its row or its column says: a unit that
takes the share of cell 17 comes from cell 17, in every layer, whatever was cut, rolled or laid out anew on
the way. In half precision, where small steps are rounded away, a cell holds one of two contents by a bit of its
own number instead, pass by pass.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.positions.data_dependent_branches import decides_by_contents
from viz.capture.positions.position_code_pass import EnoughError, Parts, Seeing
from viz.capture.positions.position_code_records import Code, Coded, Scale, Side, Source
from viz.capture.positions.position_code_steps import (
    MERGED,
    WHOLE,
    has_plane,
    merged_units,
    nested_scales,
    scales_of,
    shares_of,
    token_share,
)
from viz.capture.positions.position_decoding import is_hopeless
from viz.capture.tiers.watching import watch
from viz.errors import LoupeError
from viz.inputs.input_copies import copies
from viz.models.forward_errors import RUN_ERRORS
from viz.models.preserve_state import preserved
from viz.models.random_state import random_state

# Parameters that hold tokens of the model's own, by the last of their name.
TOKENS = re.compile(r"(^|[._])(cls|class|dist\w*|reg\w*)(_?(tokens?|embeddings?|embed))?$")


def coded(
    module: nn.Module,
    inputs: Mapping[str, Any],
    wanted: Mapping[str, int],
    untold: Callable[[Coded], Sequence[Side]],
    *,
    planes: bool = False,
    seed: int = 0,
) -> Coded | None:
    """Run a model on codes until each cell has told its number.

    Args:
        module: the whole.
        inputs: one of its inputs, whose shapes count and whose numbers do not.
        wanted: how many queries of which parts are looked for; passes end with the last of them.
        untold: says which sides the passes so far have not told.
        seed: of the contents; another makes others.
        planes: whether nothing but planes is looked for, as where a sound is cut into patches.

    Returns:
        None where the model cannot be run so, draws at random, or has no planes if they are looked for.

    Cost: four passes, without the attention, where units are cells of a plane, merged ones too; two more for
    each time that cells are merged, where those do not tell. In half precision some 3 + log2(cells).
    """
    passes = _Passes(module, inputs, wanted, seed)
    before = random_state()
    try:
        with torch.random.fork_rng(), preserved(module), torch.inference_mode():
            passes.run(_all(0))
            seen = passes.result
            if seen.chosen < math.inf or decides_by_contents(module, inputs, seen.decisions):
                # Decisions are to be made by what the model itself computes.
                passes = _Passes(module, inputs, wanted, seed, all_compute=True)
                passes.run(_all(0))
            if not all(map(torch.equal, before, random_state())):
                return None
            if planes and not has_plane(passes.result):
                return None
            if _is_fine(module, inputs):
                passes.over_steps(untold)
            else:
                passes.over_bits()
    except (*RUN_ERRORS, LoupeError):
        return None  # it need not stand other numbers
    return passes.result


class _Passes:
    """The passes over one module, in their order."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Mapping[str, Any],
        wanted: Mapping[str, int],
        seed: int,
        *,
        all_compute: bool = False,
    ) -> None:
        self.parts = Parts(module, seed, all_compute=all_compute)
        self.inputs = inputs
        self.wanted = wanted
        self.tokens = [name for name, _ in module.named_parameters() if is_token(name)]
        self.result = Coded(tokens=list(dict.fromkeys(map(_last, self.tokens))))

    def run(
        self,
        code: Code,
        token: Callable[[str], float] = lambda _: 0,
        only: Collection[str] | None = None,
    ) -> None:
        """One pass.

        Args:
            code: how far the cells go from one content to the other.
            token: how far the model's own tokens of a kind do.
            only: the parts that are looked at, all that are wanted by default.
        """
        wanted = {name: self.wanted[name] for name in (self.wanted if only is None else only)}
        with _with_tokens(self.parts.module, {name: token(_last(name)) for name in self.tokens}):
            _run(self.parts, self.inputs, wanted, self.result, code)
        self.result.is_first = False

    def over_steps(self, untold: Callable[[Coded], Sequence[Side]]) -> None:
        """Let cells take steps until no side is untold, or none is left that cells merged once more could tell."""
        seen = self.result
        self.run(_all(WHOLE), lambda _: WHOLE)
        for scale in nested_scales(seen):
            self._step(scale)
        asked = untold(seen) if seen.scales else seen.sides
        hopeful = {id(side) for side in asked if not is_hopeless(side, seen)}
        for merged in MERGED:
            if merged > 1 and len(hopeful) < len(asked):
                return  # what was merged in a manner that no step tells is merged further on the way
            only = _merged(seen, merged, hopeful)
            if not only:
                continue
            for scale in scales_of(seen, merged):
                if scale not in seen.scales:
                    self._step(scale, only if scale.axis else None)
            if not untold(seen):
                return

    def _step(self, scale: Scale, only: Collection[str] | None = None) -> None:
        """Let every cell take its share of a step, and the model's own tokens more than that."""
        seen = self.result
        seen.scales.append(scale)
        share = partial(_shared, scale)
        self.run(share, lambda kind: token_share(seen.tokens.index(kind)) * WHOLE, only)

    def over_bits(self) -> None:
        """Let cells hold one of two contents by the bits of their numbers, and at last by chance."""
        seen = self.result
        for kind in seen.tokens:
            seen.token = kind
            self.run(_all(0), lambda one: float(one == seen.token))
        seen.token, seen.other = "", True
        self.run(_all(1))
        bits = max((len(source.bits) for source in seen.sources), default=0)
        for seen.bits in range(1, bits + 1):
            self.run(partial(_bit, seen.bits - 1))
        self.run(drawn)


def is_token(parameter: str) -> bool:
    """Whether a parameter's name says that it holds tokens of the model's own."""
    return TOKENS.search(parameter) is not None


def _last(parameter: str) -> str:
    return parameter.rpartition(".")[2]


def _is_fine(module: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether numbers are fine enough for small steps."""
    tensors = [*module.parameters(), *(v for v in inputs.values() if isinstance(v, Tensor))]
    return all(
        one.dtype in (torch.float32, torch.float64) for one in tensors if one.is_floating_point()
    )


def _merged(seen: Coded, merged: int, sides: Collection[int]) -> list[str]:
    """Name the parts with one of some sides whose units may be so many cells along each axis, by their number."""
    return [
        name
        for name, calls in seen.calls.items()
        if any(
            id(side) in sides and merged_units(side, seen.sources) == merged
            for pair in calls
            for side in pair
        )
    ]


def _all(share: float) -> Code:
    return lambda source: torch.full(source.size, share)


def _shared(scale: Scale, source: Source) -> Tensor:
    return shares_of(source, scale) * WHOLE


def _bit(number: int, source: Source) -> Tensor:
    """Say which cells have a bit of their number set, by 1, and which have not, by 0."""
    if number >= len(source.bits):
        return torch.zeros(source.size)
    axis, place = source.bits[number]
    index = torch.arange(source.size[axis]) >> place & 1
    shape = [1] * len(source.size)
    shape[axis] = -1
    return index.float().view(shape).expand(source.size)


def drawn(source: Source) -> Tensor:
    """Draw 0 or 1 for every cell; the same for grids of one size, which residual connections add up."""
    generator = torch.Generator().manual_seed(zlib.crc32(str(source.size).encode()))
    return (torch.rand(source.size, generator=generator) < 0.5).float()


@contextmanager
def _with_tokens(module: nn.Module, shares: Mapping[str, float]) -> Iterator[None]:
    """Let parameters hold content of ours, so far from one to another.

    A model's lock is held meanwhile; whoever calls the module past it, from another thread, meets that content.
    """
    held = {name: module.get_parameter(name).data for name in shares}
    generator = torch.Generator().manual_seed(0)
    try:
        for name, data in held.items():
            one, other = (torch.randn(data.shape, generator=generator).to(data) for _ in range(2))
            module.get_parameter(name).data = torch.lerp(one, other, shares[name])
        yield
    finally:
        for name, data in held.items():
            module.get_parameter(name).data = data


def _run(
    parts: Parts, inputs: Mapping[str, Any], wanted: Mapping[str, int], result: Coded, code: Code
) -> None:
    """One pass: cells by a code, attention by the identity, and what is seen added to the result."""
    seeing = Seeing(parts, inputs, dict(wanted), result, code)
    given = {name: seeing.input(name, value) for name, value in copies(inputs).items()}
    seeing.given = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    with suppress(EnoughError), seeing, watch(parts.module, seeing.on_call), seeing.hooks():
        parts.module(**given)
