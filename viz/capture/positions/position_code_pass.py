"""One pass over a code: contents put in, attention by the identity, and what is seen noted down."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.capture.positions.input_cells import COLOURS, SERIES, patch_size, same_picture, spans_of
from viz.capture.positions.position_code_contents import Contents
from viz.capture.positions.position_code_records import Code, Coded, Side, Source
from viz.capture.positions.skipped_convolutions import convolved_shape, convolved_spread, spread_of
from viz.capture.positions.sorting_calls import chooses
from viz.capture.positions.stand_ins import stand_in
from viz.capture.replay.identity_attention import own_projected, own_values
from viz.capture.replay.product_axes import PRODUCTS
from viz.capture.replay.rounding import wide
from viz.capture.tiers.output_projection import Follower
from viz.capture.tiers.registry import AttentionCall, is_covered
from viz.capture.tiers.running_part import calling_part
from viz.capture.tiers.softmax_calls import SOFTMAX, Softmaxes
from viz.models.part_names import part_names

# Modules whose output lies on a grid of places of their own.
GRIDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)

# Numbers of each unit that are looked at, and of all units together; a few of each are always.
MOST_NUMBERS = 64
MOST_IN_ALL = 1 << 22
FEW_NUMBERS = 4

# The same of what a grid is made of, where every cell stands in its order or none is believed.
GRID_NUMBERS = 8

# Products that wait for the softmax of their scores.
WAITING = 8


class EnoughError(Exception):
    """Everything that was asked for has been seen."""


class Parts:
    """A module's parts by name and the contents of its grids, found once for all passes."""

    def __init__(self, module: nn.Module, seed: int = 0, *, all_compute: bool = False) -> None:
        self.module = module
        self.contents = Contents(seed)
        self.names = part_names(module)
        self.softmaxes = Softmaxes(module)
        self.every = list(module.modules())
        self.grids: list[nn.Module] = [part for part in self.every if isinstance(part, GRIDS)]
        self.stand_ins = {} if all_compute else {part: stand_in(part) for part in self.every}
        self.embeddings = [part for part in self.every if isinstance(part, nn.Embedding)]


class Seeing(TorchFunctionMode):
    """Puts codes in and notes what comes of them, in this thread."""

    def __init__(
        self,
        parts: Parts,
        inputs: Mapping[str, Any],
        wanted: dict[str, int],
        result: Coded,
        code: Code,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.module = parts.module
        self.names = parts.names
        self.inputs = {n: v for n, v in inputs.items() if isinstance(v, Tensor)}
        self.given: dict[str, Tensor] = {}
        self.spans_seen = False
        self.wanted = wanted
        self.result = result
        self.code = code
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
        return self._fill(name, value, tuple(value.shape[:-1]), channel=value.ndim - 1, read=name)

    def _pixels(self, name: str, value: Tensor) -> Tensor:
        """Put a code into a picture, whose cells are patches where the model says how large they are."""
        side = patch_size(self.module)
        if value.shape[2] % side or value.shape[3] % side:
            side = 1
        size = (len(value), value.shape[2] // side, value.shape[3] // side)
        return self._fill(name, value, size, channel=1, read=name, side=side)

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Put codes into what lies on grids and into embeddings of the model's ids."""
        owner = threading.get_ident()
        handles = []

        def on_grid(part: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor | None:
            if threading.get_ident() != owner or not isinstance(output, Tensor):
                return None
            # What is done here is none of the model's, so that nobody need see it.
            with torch._C.DisableTorchFunction():
                return self._grid(part, args[0], output)

        def on_ids(part: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor | None:
            if threading.get_ident() != owner or not isinstance(output, Tensor):
                return None
            with torch._C.DisableTorchFunction():
                return self._ids(self.names[id(part)], args[0], output)

        def on_index(_part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if threading.get_ident() == owner:
                with torch._C.DisableTorchFunction():
                    self._index(*args, *kwargs.values())

        def on_span(part: nn.Module, args: tuple[Any, ...], output: Any) -> Tensor | None:
            if threading.get_ident() != owner or self.spans_seen or output.ndim < 3:
                return None
            self.spans_seen = True
            with torch._C.DisableTorchFunction():
                size, last = tuple(output.shape[:-1]), output.ndim - 1
                spans = spans_of(args[0], self.given[SERIES])
                name = self.names[id(part)]
                return self._fill(name, output, size, channel=last, read=None, spans=spans)

        for part in self.parts.every:
            if SERIES in self.given and isinstance(part, nn.Linear):
                handles.append(part.register_forward_hook(on_span))
            if self.result.is_first:
                handles.append(part.register_forward_pre_hook(on_index, with_kwargs=True))
        handles += [part.register_forward_hook(on_grid) for part in self.parts.grids]
        handles += [part.register_forward_hook(on_ids) for part in self.parts.embeddings]
        left_out = [part for part in self.parts.grids if self._leave_out(part, owner)]
        if SERIES not in self.given:
            left_out += [
                part
                for part, cheap in self.parts.stand_ins.items()
                if cheap is not None and self._replace(part, cheap, owner)
            ]
        try:
            yield
        finally:
            for part in left_out:
                del part.__dict__["forward"]
            for handle in handles:
                handle.remove()

    def _leave_out(self, part: nn.Module, owner: int) -> bool:
        """Let a part whose output is replaced compute nothing, where the shape of it is known."""
        name, compute = self.names[id(part)], part.forward

        def empty(given: Tensor, *args: Any, **kwargs: Any) -> Any:
            shape = self.result.shapes.get((name, tuple(given.shape)))
            if self.result.is_first:
                shape = convolved_shape(part, given)
            if shape is None or threading.get_ident() != owner:
                return compute(given, *args, **kwargs)
            return given.new_zeros(()).expand(shape)

        return _put(part, empty)

    def _replace(self, part: nn.Module, cheap: Callable[[Tensor], Tensor], owner: int) -> bool:
        """Let a part that moves nothing from place to place mix channels in a cheaper way."""
        compute = part.forward

        def forward(given: Tensor) -> Any:
            if threading.get_ident() != owner or given.dtype != part.weight.dtype:
                return compute(given)
            with torch._C.DisableTorchFunction():
                return cheap(given)

        return _put(part, forward)

    def _ids(self, name: str, ids: Tensor, output: Tensor) -> Tensor | None:
        """Code the embeddings of a model's ids; those of positions stay what they are."""
        for given, value in self.inputs.items():
            if ids.shape == value.shape and torch.equal(ids, value):
                size, last = tuple(output.shape[:-1]), output.ndim - 1
                return self._fill(name, output, size, channel=last, read=given)
        return None

    def _index(self, *given: Any) -> None:
        for value in given:
            whole = isinstance(value, Tensor) and value.dtype in (torch.int32, torch.int64)
            if whole and value.ndim == 2 and value.shape[1] in (2, 3):
                known = self.result.indexes
                if not any(value.shape == one.shape and torch.equal(value, one) for one in known):
                    known.append(value.clone())

    def _grid(self, part: nn.Module, given: Tensor, output: Tensor) -> Tensor | None:
        """Code the output of a convolution or a pooling [batch, channel, ...]."""
        name = self.names[id(part)]
        if output.ndim < 3 or not output.is_floating_point():
            return None
        size = (output.shape[0], *output.shape[2:])
        if output.dtype == given.dtype:
            self.result.shapes[name, tuple(given.shape)] = output.shape
        known = self.result.sources[self.source : self.source + 1]
        read = known[0].read if known else self._read(given)
        made_of = None if read else given.movedim(1, -1)
        spread = None
        if self.result.is_first and convolved_shape(part, given) == output.shape:
            spread = convolved_spread(part, given)  # the output itself was left out
        return self._fill(
            name, output, tuple(size), channel=1, read=read, made_of=made_of, spread=spread
        )

    def _read(self, given: Tensor) -> str | None:
        """Name the input that a convolution was given as it is."""
        for name, value in self.given.items():
            fits = value.is_floating_point() and value.numel() == given.numel()
            if fits and same_picture(given, value.reshape(given.shape)):
                return name
            # Films come frame by frame, and convolutions want their channels first.
            film = value.transpose(1, 2) if value.ndim == 5 else value
            if fits and film.shape == given.shape and same_picture(given, film):
                return name
        return None

    def _fill(
        self,
        name: str,
        whole: Tensor,
        size: tuple[int, ...],
        *,
        channel: int,
        read: str | None,
        made_of: Tensor | None = None,
        side: int = 1,
        spans: tuple[tuple[int, int, int], ...] | None = None,
        spread: float | None = None,
    ) -> Tensor:
        """Make content for every cell of a grid, `side` numbers a side, on the way between two by the code."""
        if self.following is None:
            self._end()
        number = self.source
        self.source += 1
        self.order += 1
        if made_of is not None:
            rows = _some(made_of, GRID_NUMBERS)
            known_side = self.result.grids.get(number)
            if known_side is None:
                self.result.grids[number] = Side(self.order, rows)
            else:
                known_side.note(rows, self.result)
        self.order += 1
        if number == len(self.result.sources):
            # Never near 0, where biases and the epsilon of a norm would drown the content.
            large = max(1.0, spread_of(whole) if spread is None else spread)
            self.result.sources.append(Source(name, size, self.order, read, large, spans))
        source = self.result.sources[number]
        if (source.name, source.size) != (name, size):
            raise ValueError("a pass over other numbers takes another way")
        cells = self.code(source)
        if side > 1:
            cells = cells.repeat_interleave(side, -1).repeat_interleave(side, -2)
        return self.parts.contents.of(number, whole, channel, spread=source.spread, share=cells)

    def on_call(self, call: AttentionCall) -> None:
        """Note the queries and keys of a call that the kernel sees."""
        name = self.names.get(id(call.module), "")
        with torch._C.DisableTorchFunction():
            self._see(name, call.query, call.key)

    def _see(self, name: str, query: Tensor, key: Tensor) -> None:
        """Note queries and keys [window, head, unit, d] of a part."""
        self._end()
        if name not in self.wanted:
            return
        self.order += 1
        calls = self.result.calls.setdefault(name, [])
        windows = max(len(query), len(key))
        looking, looked_at = (
            _some(one.expand(windows, *one.shape[1:]).transpose(1, 2).flatten(0, 1).flatten(1))
            for one in (query, key)
        )
        if self.calls[name] < len(calls):
            sides = calls[self.calls[name]]
            sides[0].note(looking, self.result)
            sides[1].note(looked_at, self.result)
        elif self.result.is_first:
            calls.append((Side(self.order, looking), Side(self.order, looked_at)))
        else:
            raise ValueError("a pass over other numbers takes another way")
        self.calls[name] += 1
        self.wanted[name] -= windows * query.shape[2]
        if not self.result.is_first:
            self._end()

    def _end(self) -> None:
        """End the pass where all has been seen.

        The first does at the next call or grid only, because what becomes of an output tells something, too.
        """
        if all(left <= 0 for left in self.wanted.values()):
            raise EnoughError

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            result = own_values(*args, **named)
            self._follow(self.names[id(calling_part(self.names, self.module))], result)
            return result
        known = func in SOFTMAX and not self.result.is_first and args[0].ndim >= 3
        # Of a softmax only the shape is wanted, once it has been seen.
        result = args[0].to(named.get("dtype")) if known else func(*args, **named)
        if self.result.is_first:
            self.result.decisions.note(func, args, result, self.order)
        if self.result.is_first and chooses(func, args, named, self.result.sources):
            self.result.chosen = min(self.result.chosen, self.order)
        if self.following is not None:
            name, follower = self.following
            follower.see(func, args, named, result)
            if follower.answer is not None:
                self.following = None
                self.result.followed.add(name)
                if follower.answer.channels:
                    self.result.channels.add(name)
        if func is functional.multi_head_attention_forward:
            return (own_projected(result[0], *args, **named), *result[1:])
        if func in SOFTMAX and result.ndim >= 3:
            return self._softmax(args, named, result)
        if func in PRODUCTS and not is_covered() and len(args) == 2:
            self.products = [*self.products[-WAITING:], (result, *args)]
            if self.weights is not None and args[0].data_ptr() == self.weights[1].data_ptr():
                self._follow(self.weights[0], result)
        return result

    def _follow(self, name: str, output: Tensor) -> None:
        """See what becomes of an output of attention, which tells channels from tokens."""
        known = output.ndim < 3 or name in self.result.followed
        self.following = None if known else (name, Follower(output))

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
            return self.parts.softmaxes.by_head(name, whole.reshape(*lead, *factor.shape[-2:]))
        except RuntimeError:
            return None


def _put(part: nn.Module, forward: Callable[..., Any]) -> bool:
    """Let a part compute something else, unless somebody has done so already."""
    if "forward" in part.__dict__:
        return False
    part.forward = forward
    return True


def _some(rows: Tensor, most: int = MOST_NUMBERS) -> Tensor:
    """Keep some numbers of every unit [.., number]; [unit, number]."""
    units = rows.shape[:-1].numel()
    most = min(most, max(FEW_NUMBERS, MOST_IN_ALL // max(1, units)))
    step = -(-rows.shape[-1] // most)
    some = rows[..., ::step]
    return wide(some.detach()).reshape(units, some.shape[-1]).clone()
