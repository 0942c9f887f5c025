"""Passes of a model over numbers that tell where each unit of its attention comes from.

Two kinds of content stand in the cells of what the units are made of: of the output of a convolution,
of an embedding, of an input. A cell holds the one or the other by a bit of its own number, pass by
pass, and every attention looks at itself alone meanwhile (its softmax is the identity), so that nothing
is mixed: a unit whose numbers change with the bits of cell 17 comes from cell 17, in every layer,
whatever was cut, rolled, merged or laid out anew on the way.
"""

from __future__ import annotations

import inspect
import re
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.errors import LoupeError
from viz.models.attention import AttentionCall, is_covered
from viz.models.calling import calling_part
from viz.models.preserve import preserved
from viz.models.putback import Follower
from viz.models.running import RUN_ERRORS, copies
from viz.models.softmaxes import SOFTMAX, Softmaxes
from viz.models.watch import watch
from viz.models.weighing import PRODUCTS

# Modules whose output lies on a grid of places of their own.
GRIDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)

# The input of models of time series, [batch, time, channel], which cut it into spans.
SERIES = "past_values"

# How many channels a picture may have.
COLOURS = (1, 3, 4)

# Numbers of each unit that are looked at.
MOST_NUMBERS = 64

# Products that wait for the softmax of their scores.
WAITING = 8

# How near a unit must come to one of two contents to be called that, as a share of their distance.
NEAR = 1e-3

ONE, OTHER, MIXED = 0, 1, 2

# Parameters that hold tokens of the model's own, by the last of their name.
TOKENS = re.compile(r"(^|[._])(cls|class|dist\w*|reg\w*)(_?(tokens?|embeddings?|embed))?$")

# The name of a module and the number of its call.
Key = tuple[str, int]


class EnoughError(Exception):
    """Everything that was asked for has been seen."""


@dataclass(frozen=True, slots=True)
class Source:
    """What lies on a grid, and the grid's size.

    Attributes:
        name: of the module, or of the input.
        size: of the grid, the input of the batch or the picture first.
        order: when it was seen, among all that was.
        read: the input that it read as it was given; None where it read something made of it.
        spread: how large its numbers are, which is the same in every pass.
        spans: of cells that are spans of a series: the channel, and the first and last step + 1.
    """

    name: str
    size: tuple[int, ...]
    order: int
    read: str | None
    spread: float
    spans: tuple[tuple[int, int, int], ...] | None = None

    @property
    def bits(self) -> list[tuple[int, int]]:
        """Every axis and bit that tells cells apart."""
        return [
            (axis, bit)
            for axis, size in enumerate(self.size)
            for bit in range((size - 1).bit_length())
        ]


@dataclass(slots=True)
class Side:
    """Queries or keys of one call, or what a grid was made of.

    Attributes:
        order: when it was seen, among all that was.
        rows: in the first pass, and in the second, [unit, number].
        states: in every pass after that, [unit], which of the two each was, or neither.
        tokens: by a parameter that holds tokens of the model's own, which units changed with it.
    """

    order: int
    rows: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    tokens: dict[str, Tensor] = field(default_factory=dict)

    @property
    def varies(self) -> Tensor:
        """Which units have anything to do with the cells."""
        return _differs(*self.rows)

    def note(self, rows: Tensor, parameter: str | None) -> None:
        """Take what was seen in one pass, which may be one over another parameter."""
        if parameter is not None:
            if rows.shape == self.rows[0].shape:
                self.tokens[parameter] = _differs(rows, self.rows[0]).cpu()
            return
        if len(self.rows) < 2:
            self.rows.append(rows)
            return
        one, other = self.rows
        if rows.shape != one.shape or one.shape != other.shape:
            raise ValueError("a pass over other numbers has other shapes")
        apart = (one - other).abs().amax(dim=1) * NEAR
        state = torch.full((len(rows),), MIXED)
        state[((rows - other).abs().amax(dim=1) <= apart).cpu()] = OTHER
        state[((rows - one).abs().amax(dim=1) <= apart).cpu()] = ONE
        self.states.append(state)


@dataclass(slots=True)
class Coded:
    """What passes over codes have shown.

    Attributes:
        sources: in the order in which they were seen.
        calls: by part, the queries and keys of each call, windows one after the other.
        channels: parts whose queries and keys are channels, by how they put their output back.
        indexes: whole numbers [unit, axis] that a part was given, such as places in a picture.
        grids: what each source was made of, by its number.
        masks: of every random pass, which cells of each source held the other content.
        passes: how many told bits, before the random ones.
    """

    sources: list[Source] = field(default_factory=list)
    calls: dict[str, list[tuple[Side, Side]]] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    indexes: list[Tensor] = field(default_factory=list)
    grids: dict[int, Side] = field(default_factory=dict)
    masks: list[dict[int, Tensor]] = field(default_factory=list)
    passes: int = 0

    @property
    def has_own_tokens(self) -> bool:
        """Whether some units come from cells, and others beside them do not."""
        sides = [side for calls in self.calls.values() for pair in calls for side in pair]
        varying = [side.varies for side in sides if len(side.rows) == 2]
        return any(bool(one.any()) and not bool(one.all()) for one in varying)


# Which cells hold the other content, by the number of the source and its grid.
Code = Callable[[int, Source], Tensor]

RANDOM_PASSES = 2


def coded(module: nn.Module, inputs: Mapping[str, Any], wanted: Mapping[str, int]) -> Coded | None:
    """Run a model on codes until each cell has told its number.

    Args:
        module: the whole.
        inputs: one of its inputs, whose shapes count and whose numbers do not.
        wanted: how many queries of which parts are looked for; passes end with the last of them.

    Returns:
        None where the model cannot be run so, or draws at random.

    Cost: some 4 + log2(cells) passes, without the attention.
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


def _differs(rows: Tensor, others: Tensor) -> Tensor:
    """Which units hold other numbers, bool [unit]."""
    scale = max(float(rows.abs().max()), float(others.abs().max()), 1e-12)
    return (rows - others).abs().amax(dim=1) > NEAR * scale


def _run(
    module: nn.Module,
    inputs: Mapping[str, Any],
    wanted: Mapping[str, int],
    result: Coded,
    code: Code,
    parameter: str | None = None,
) -> None:
    """One pass: cells by a code, attention by the identity, and what is seen added to the result."""
    seeing = _Seeing(module, inputs, dict(wanted), result, code, parameter)
    given = {name: seeing.input(name, value) for name, value in copies(inputs).items()}
    seeing.given = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    with suppress(EnoughError), seeing, watch(module, seeing.on_call), seeing.hooks():
        module(**given)


class _Seeing(TorchFunctionMode):
    """Puts codes in and notes what comes of them, in this thread."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Mapping[str, Any],
        wanted: dict[str, int],
        result: Coded,
        code: Code,
        parameter: str | None,
    ) -> None:
        super().__init__()
        self.parameter = parameter
        self.module = module
        self.inputs = {n: v for n, v in inputs.items() if isinstance(v, Tensor)}
        self.given: dict[str, Tensor] = {}
        self.spans_seen = False
        self.wanted = wanted
        self.result = result
        self.code = code
        self.names = {id(part): name for name, part in module.named_modules()}
        self.softmaxes = Softmaxes(module)
        self.order = 0
        self.source = 0
        self.calls: Counter[str] = Counter()
        self.products: list[tuple[Tensor, Tensor, Tensor]] = []
        self.weights: tuple[str, Tensor] | None = None
        self.following: tuple[str, Follower] | None = None

    def input(self, name: str, value: Any) -> Any:
        """Put a code into what the model reads, where its units lie in the last dimension but one."""
        if not isinstance(value, Tensor) or not value.is_floating_point() or "mask" in name:
            return value
        if value.ndim == 4 and value.shape[1] in COLOURS:
            return self._pixels(name, value)
        rows = value.ndim == 2 and any(word in name for word in ("pixel", "hidden"))
        if not (rows or value.ndim == 3):
            return value
        return self._fill(name, value, tuple(value.shape[:-1]), value.ndim - 1, None, name)

    def _pixels(self, name: str, value: Tensor) -> Tensor:
        """Put a code into a picture, whose cells are patches where the model says how large they are."""
        side = _patch_size(self.module)
        if value.shape[2] % side or value.shape[3] % side:
            side = 1
        size = (len(value), value.shape[2] // side, value.shape[3] // side)
        return self._fill(name, value, size, 1, None, name, side)

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Put codes into what lies on grids and into embeddings of the model's ids."""
        owner = threading.get_ident()
        handles = []

        def on_grid(part: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor | None:
            if threading.get_ident() != owner or not isinstance(output, Tensor):
                return None
            return self._grid(self.names[id(part)], args[0], output)

        def on_ids(part: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor | None:
            if threading.get_ident() != owner or not isinstance(output, Tensor):
                return None
            ids = args[0]
            for name, value in self.inputs.items():
                if ids.shape == value.shape and torch.equal(ids, value):
                    size, last = tuple(output.shape[:-1]), output.ndim - 1
                    return self._fill(self.names[id(part)], output, size, last, None, name)
            return None  # embeddings of positions stay what they are

        def on_index(_part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if threading.get_ident() == owner and not self.result.masks:
                self._index(*args, *kwargs.values())

        def on_span(part: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor | None:
            if threading.get_ident() != owner or self.spans_seen or output.ndim < 3:
                return None
            self.spans_seen = True
            size = tuple(output.shape[:-1])
            spans = spans_of(args[0], self.given[SERIES])
            name = self.names[id(part)]
            return self._fill(name, output, size, output.ndim - 1, None, None, spans=spans)

        for part in self.module.modules():
            if SERIES in self.given and isinstance(part, nn.Linear):
                handles.append(part.register_forward_hook(on_span))
            if not self.result.passes:
                handles.append(part.register_forward_pre_hook(on_index, with_kwargs=True))
            if isinstance(part, GRIDS):
                handles.append(part.register_forward_hook(on_grid))
            elif isinstance(part, nn.Embedding):
                handles.append(part.register_forward_hook(on_ids))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _index(self, *given: Any) -> None:
        for value in given:
            whole = isinstance(value, Tensor) and value.dtype in (torch.int32, torch.int64)
            if whole and value.ndim == 2 and value.shape[1] in (2, 3):
                known = self.result.indexes
                if not any(value.shape == one.shape and torch.equal(value, one) for one in known):
                    known.append(value.clone())

    def _grid(self, name: str, given: Tensor, output: Tensor) -> Tensor | None:
        """Code the output of a convolution or a pooling [batch, channel, ...]."""
        if output.ndim < 3 or not output.is_floating_point():
            return None
        size = (output.shape[0], *output.shape[2:])
        known = self.result.sources[self.source : self.source + 1]
        read = known[0].read if known else self._read(given)
        made_of = None if read else given.movedim(1, -1).reshape(-1, given.shape[1])
        return self._fill(name, output, tuple(size), 1, made_of, read)

    def _read(self, given: Tensor) -> str | None:
        """Name the input that a convolution was given as it is."""
        for name, value in self.given.items():
            fits = value.is_floating_point() and value.numel() == given.numel()
            if fits and _same_picture(given, value.reshape(given.shape)):
                return name
        return None

    def _fill(
        self,
        name: str,
        whole: Tensor,
        size: tuple[int, ...],
        channel: int,
        made_of: Tensor | None,
        read: str | None,
        side: int = 1,
        spans: tuple[tuple[int, int, int], ...] | None = None,
    ) -> Tensor:
        """Make content for every cell of a grid, `side` numbers a side, one of two by the code."""
        number = self.source
        self.source += 1
        self.order += 1
        if made_of is not None:
            self._note(self.result.grids.setdefault(number, Side(self.order)), made_of)
        self.order += 1
        if number == len(self.result.sources):
            spread = float(whole.float().std().nan_to_num(1.0)) or 1.0
            self.result.sources.append(Source(name, size, self.order, read, spread, spans))
        source = self.result.sources[number]
        if (source.name, source.size) != (name, size):
            raise ValueError("a pass over other numbers takes another way")
        cells = self.code(number, source).to(whole.device).unsqueeze(channel)
        if side > 1:
            cells = cells.repeat_interleave(side, -1).repeat_interleave(side, -2)
        generator = torch.Generator().manual_seed(number)
        one, other = (
            (torch.randn(whole.shape, generator=generator) * source.spread).to(whole)
            for _ in range(2)
        )
        return torch.where(cells, other, one)

    def on_call(self, call: AttentionCall) -> None:
        """Note the queries and keys of a call that the kernel sees."""
        name = self.names.get(id(call.module), "")
        self._see(name, call.query, call.key)

    def _see(self, name: str, query: Tensor, key: Tensor) -> None:
        """Note queries and keys [window, head, unit, d] of a part."""
        # Only at the call after the last, because what becomes of an output tells something, too.
        if all(left <= 0 for left in self.wanted.values()):
            raise EnoughError
        if name not in self.wanted:
            return
        self.order += 1
        calls = self.result.calls.setdefault(name, [])
        if self.calls[name] == len(calls):
            calls.append((Side(self.order), Side(self.order)))
        sides = calls[self.calls[name]]
        self.calls[name] += 1
        windows = max(len(query), len(key))
        for side, tensor in zip(sides, (query, key), strict=True):
            spread = tensor.expand(windows, *tensor.shape[1:])
            self._note(side, spread.transpose(1, 2).flatten(0, 1).flatten(1))
        self.wanted[name] -= windows * query.shape[2]

    def _note(self, side: Side, rows: Tensor) -> None:
        step = -(-rows.shape[1] // MOST_NUMBERS)
        side.note(rows[:, ::step].detach().float().clone(), self.parameter)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            result = _own_values(*args, **named)
            self._follow(self.names[id(calling_part(self.names, self.module))], result)
            return result
        result = func(*args, **named)
        if self.following is not None:
            name, follower = self.following
            follower.see(func, args, named, result)
            if follower.answer is not None:
                self.following = None
                if follower.answer.channels:
                    self.result.channels.add(name)
        if func is functional.multi_head_attention_forward:
            return (_own_projected(result[0], *args, **named), *result[1:])
        if func in SOFTMAX and result.ndim >= 3:
            return self._softmax(args, named, result)
        if func in PRODUCTS and not is_covered() and len(args) == 2:
            self.products = [*self.products[-WAITING:], (result, *args)]
            if self.weights is not None and args[0].data_ptr() == self.weights[1].data_ptr():
                self._follow(self.weights[0], result)
        return result

    def _follow(self, name: str, output: Tensor) -> None:
        """See what becomes of an output of attention, which tells channels from tokens."""
        self.following = (name, Follower(output)) if output.ndim >= 3 else None

    def _softmax(self, args: tuple[Any, ...], named: dict[str, Any], result: Tensor) -> Tensor:
        """Let every row look at itself alone, and note what its scores were made of."""
        dim = named.get("dim", args[1] if len(args) > 1 else None)
        if dim not in (-1, result.ndim - 1):
            return result
        queries, keys = result.shape[-2:]
        if not is_covered():
            self._scores(result)
        alone = torch.zeros_like(result)
        if queries == keys:
            alone.copy_(torch.eye(queries, device=result.device))
        self.weights = self.names[id(calling_part(self.names, self.module))], alone
        return alone

    def _scores(self, weights: Tensor) -> None:
        part = calling_part(self.names, self.module)
        name = self.names[id(part)]
        made, self.products = self.products, []
        lead = weights.shape[:-2]
        for product, left, right in reversed(made):
            if product.shape[-2:] != weights.shape[-2:] or product.numel() != weights.numel():
                continue
            sides = [self._by_head(name, one, lead, product.shape[:-2]) for one in (left, right.mT)]
            query, key = sides
            if query is not None and key is not None:
                self._see(name, query, key)
                return

    def _by_head(
        self, name: str, factor: Tensor, lead: torch.Size, product_lead: torch.Size
    ) -> Tensor | None:
        """Bring a factor of scores to [window, head, unit, d], as weights are."""
        try:
            whole = factor.expand(*product_lead, *factor.shape[-2:])
            return self.softmaxes.by_head(name, whole.reshape(*lead, *factor.shape[-2:]))
        except RuntimeError:
            return None


def spans_of(given: Tensor, series: Tensor) -> tuple[tuple[int, int, int], ...] | None:
    """Say which span of which channel each row [batch, channel, span, step] is, but for its scale.

    Args:
        given: what the first projection reads.
        series: [batch, time, channel].

    Returns:
        For each row its channel, its first step and its last + 1; None where one is no such span.
    """
    if given.ndim != 4 or series.ndim != 3 or given.shape[1] != series.shape[2]:
        return None
    length = given.shape[-1]
    if not 3 <= length <= series.shape[1]:
        return None
    every = _standard(series.transpose(1, 2).unfold(-1, length, 1))
    rows = _standard(given)
    found = []
    for channel in range(given.shape[1]):
        apart = torch.cdist(rows[0, channel], every[0, channel])
        least, start = apart.min(dim=1)
        if bool((least > NEAR * length).any()):
            return None
        found += [(channel, first, first + length) for first in start.tolist()]
    return tuple(found)


def _standard(rows: Tensor) -> Tensor:
    """Take the offset and the scale out of rows."""
    centred = rows.double() - rows.double().mean(-1, keepdim=True)
    length: Tensor = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    return centred / length.clamp(min=1e-12)


def _patch_size(module: nn.Module) -> int:
    """How large a patch is, as the configuration or a part says; 1 where none does."""
    config = getattr(module, "config", None)
    owners = [getattr(config, "vision_config", None), config, *module.modules()]
    for owner in owners:
        for name in ("patch_stride", "patch_size"):
            size = getattr(owner, name, None)
            size = size[-1] if isinstance(size, (tuple, list)) and size else size
            if isinstance(size, int) and not isinstance(size, bool) and size > 0:
                return size
    return 1


def _own_values(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
    """What comes of attention where each query looks at its own key alone."""
    if query.shape[-2] != key.shape[-2]:
        return query.new_zeros(*query.shape[:-1], value.shape[-1])
    wide = value
    if wide.ndim > 2 and wide.ndim == query.ndim and 1 < wide.shape[-3] < query.shape[-3]:
        wide = wide.repeat_interleave(query.shape[-3] // wide.shape[-3], dim=-3)
    return wide.expand(*query.shape[:-1], value.shape[-1]).clone()


_MULTI_HEAD = inspect.signature(functional.multi_head_attention_forward)


def _own_projected(output: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The same of PyTorch's own layer, which projects its values itself."""
    given = _MULTI_HEAD.bind(*args, **kwargs).arguments
    value, weight, bias = given["value"], given["in_proj_weight"], given["in_proj_bias"]
    if value.shape[0] != given["query"].shape[0]:
        return torch.zeros_like(output)
    own = given["v_proj_weight"] if weight is None else weight.chunk(3)[2]
    made = functional.linear(value, own, None if bias is None else bias.chunk(3)[2])
    return functional.linear(made, given["out_proj_weight"], given["out_proj_bias"])


def _same_picture(given: Tensor, picture: Tensor) -> bool:
    """Whether what a convolution reads is the picture, but for a factor and an offset a channel."""
    if given.ndim < 3:
        return False
    one, other = given.float(), picture.float()
    if torch.equal(one, other):
        return True
    around = tuple(axis for axis in range(given.ndim) if axis != 1)
    one, other = (
        (t - t.mean(around, keepdim=True)) / (t.std(around, keepdim=True) + 1e-12)
        for t in (one, other)
    )
    return bool((one - other).abs().max() < 1e-3) and bool(other.abs().max() > 0)
