"""Passes of a model over numbers that tell where each unit of its attention comes from.

Two kinds of content stand in the cells of what the units are made of: of the output of a convolution,
of an embedding, of an input. A cell holds the one or the other by a bit of its own number, pass by
pass, and every attention looks at itself alone meanwhile (its softmax is the identity), so that nothing
is mixed: a unit whose numbers change with the bits of cell 17 comes from cell 17, in every layer,
whatever was cut, rolled, merged or laid out anew on the way.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from viz.errors import LoupeError
from viz.models.codes import Code, Coded, Source
from viz.models.preserve import preserved
from viz.models.running import RUN_ERRORS, copies
from viz.models.seeing import EnoughError, Seeing
from viz.models.watch import watch

# Parameters that hold tokens of the model's own, by the last of their name.
TOKENS = re.compile(r"(^|[._])(cls|class|dist\w*|reg\w*)(_?(tokens?|embeddings?|embed))?$")

# Passes over cells drawn by chance, which must come out as what the bits have told.
RANDOM_PASSES = 1


def coded(module: nn.Module, inputs: Mapping[str, Any], wanted: Mapping[str, int]) -> Coded | None:
    """Run a model on codes until each cell has told its number.

    Args:
        module: the whole.
        inputs: one of its inputs, whose shapes count and whose numbers do not.
        wanted: how many queries of which parts are looked for; passes end with the last of them.

    Returns:
        None where the model cannot be run so, or draws at random.

    Cost: some 3 + log2(cells) passes, without the attention, and one for each kind of own token.
    """
    result = Coded()

    def bit(number: int) -> Code:
        def cells(_source: int, source: Source) -> Tensor:
            bits = source.bits
            if number >= len(bits):
                return torch.zeros(source.size, dtype=torch.bool)
            axis, place = bits[number]
            index = torch.arange(source.size[axis]) >> place & 1
            shape = [1] * len(source.size)
            shape[axis] = -1
            return index.bool().view(shape).expand(source.size)

        return cells

    def draw(cells: dict[int, Tensor]) -> Code:
        def drawn(number: int, source: Source) -> Tensor:
            # The same for grids of one size, which residual connections add up.
            seed = zlib.crc32(f"{len(result.masks)} {source.size}".encode())
            generator = torch.Generator().manual_seed(seed)
            cells[number] = torch.rand(source.size, generator=generator) < 0.5
            return cells[number]

        return drawn

    generators = [torch.get_rng_state()]
    try:
        with torch.random.fork_rng(), preserved(module), torch.inference_mode():
            _run(module, inputs, wanted, result, _all(False))
            if not torch.equal(torch.get_rng_state(), generators[0]):
                return None
            _run(module, inputs, wanted, result, _all(True))
            result.passes = max((len(source.bits) for source in result.sources), default=0)
            for number in range(result.passes):
                _run(module, inputs, wanted, result, bit(number))
            for _ in range(RANDOM_PASSES):
                cells: dict[int, Tensor] = {}
                _run(module, inputs, wanted, result, draw(cells))
                result.masks.append(cells)
            if result.has_own_tokens:
                for name, parameter in module.named_parameters():
                    if is_token(name):
                        with _other(parameter):
                            _run(module, inputs, wanted, result, _all(False), name)
    except (*RUN_ERRORS, LoupeError):
        return None  # it need not stand other numbers
    return result


def is_token(parameter: str) -> bool:
    """Whether a parameter's name says that it holds tokens of the model's own."""
    return TOKENS.search(parameter) is not None


def _all(value: bool) -> Code:
    return lambda _, source: torch.full(source.size, value)


@contextmanager
def _other(parameter: nn.Parameter) -> Iterator[None]:
    """Let a parameter hold other numbers for a while; a model's lock is held meanwhile."""
    held = parameter.data
    generator = torch.Generator().manual_seed(0)
    try:
        parameter.data = held + torch.randn(held.shape, generator=generator).to(held)
        yield
    finally:
        parameter.data = held


def _run(
    module: nn.Module,
    inputs: Mapping[str, Any],
    wanted: Mapping[str, int],
    result: Coded,
    code: Code,
    parameter: str | None = None,
) -> None:
    """One pass: cells by a code, attention by the identity, and what is seen added to the result."""
    seeing = Seeing(module, inputs, dict(wanted), result, code, parameter)
    given = {name: seeing.input(name, value) for name, value in copies(inputs).items()}
    seeing.given = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    with suppress(EnoughError), seeing, watch(module, seeing.on_call), seeing.hooks():
        module(**given)
