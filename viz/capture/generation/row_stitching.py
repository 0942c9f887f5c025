"""Rows of a text as it is written, appended to each other and proven to be one row a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.capture import card_of
from viz.capture.generation.generation_options import Asked
from viz.capture.generation.generation_record import Account, held_tokens, ids_read
from viz.capture.generation.running_generation import (
    UnstitchableError,
    Watching,
    generate,
)
from viz.capture.layers.mask import Spans
from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.observed_pass import Telling
from viz.capture.provenance import Provenance
from viz.capture.recorder import Recorder
from viz.capture.stack_building import main_stack, stacks_of
from viz.capture.tiers.registry import AttentionCall, observe
from viz.capture.trace import Trace
from viz.errors import CaptureError
from viz.inputs.prepared import Prepared
from viz.inputs.units import numbered_units, units_from_ids
from viz.models import Model


@dataclass(slots=True)
class Stitched:
    """What one layer looked at so far: every query and every key once, in order."""

    first: RecordedLayer
    provenance: Provenance
    keys: Tensor
    queries: list[Tensor] = field(default_factory=list)
    starts: list[Tensor] = field(default_factory=list)
    stops: list[Tensor] = field(default_factory=list)

    @classmethod
    def begun(cls, layer: RecordedLayer) -> Stitched:
        """Begin with nothing."""
        return cls(layer, layer.provenance, layer.key[:, :0])

    def add(self, layer: RecordedLayer, rows: int) -> None:
        """Append the rows of one more call.

        Args:
            layer: as it was called.
            rows: how many tokens the model read.

        Raises:
            UnstitchableError: they are not those tokens' rows, or look at other keys than are held.
        """
        if not isinstance(layer.mask, Spans) or layer.bias is not None:
            raise UnstitchableError(f"the mask or the bias of {layer.name} is no rule")
        if layer.sinks is not None and layer.sinks.ndim > 1:
            raise UnstitchableError(f"{layer.name} has sinks of each query")
        if layer.shape[0] != rows:
            raise UnstitchableError(f"{layer.name} has {layer.shape[0]} rows for {rows} tokens")
        if layer is not self.first:
            self.provenance = self.provenance.together(layer.provenance, self.provenance.mask)
        # A cache of fixed length holds room that nothing looks at.
        held = int(layer.mask.stop.max())
        old = held - rows
        before = self.keys.shape[1]
        if not 0 <= old <= before or not torch.equal(
            layer.key[:, :old], self.keys[:, before - old :]
        ):
            raise UnstitchableError(f"{layer.name} looked at other keys than it had made")
        # A sliding window's cache has let go of the oldest keys; what is left counts from here.
        self.queries.append(layer.query)
        self.keys = torch.cat([self.keys, layer.key[:, old:held]], dim=1)
        self.starts.append(layer.mask.start + (before - old))
        self.stops.append(layer.mask.stop + (before - old))

    def layer(self, *flags: str) -> RecordedLayer:
        """Join all rows to one layer, with what is to be said of it."""
        mask = Spans(torch.cat(self.starts), torch.cat(self.stops))
        provenance = replace(
            self.provenance,
            mask=mask.describe(self.keys.shape[1]),
            flags=(*self.provenance.flags, *flags),
        )
        query = torch.cat(self.queries, dim=1)
        return replace(self.first, query=query, key=self.keys, mask=mask, provenance=provenance)


class Stitcher:
    """Records a model's passes while it writes: each layer once a pass, each token once."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.layers: dict[tuple[str, int], Stitched] = {}
        self.ids: list[int] = []
        self._recorder: Recorder | None = None
        self._held = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch passes begin and end while this lasts."""
        before = self.module.register_forward_pre_hook(self._begin, with_kwargs=True)
        after = self.module.register_forward_hook(self._end, with_kwargs=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def __call__(self, call: AttentionCall) -> None:
        """Record one call, checked as any other."""
        if self._recorder is None:
            raise UnstitchableError("attention ran outside of a pass")
        self._recorder(call)

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._held = held_tokens(kwargs)
        self._recorder = Recorder(self.module)

    def _end(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        recorder, self._recorder = self._recorder, None
        ids = ids_read(args, kwargs)
        if recorder is None or ids is None or len(ids) != 1:
            raise UnstitchableError("a pass read other than one text's ids")
        if self._held == 0:
            self.ids, self.layers = [], {}  # it reads the whole text, again perhaps
        if self._held != len(self.ids):
            raise UnstitchableError(f"{self._held} tokens were held of {len(self.ids)}")
        self.ids += ids[0].tolist()
        seen: dict[str, int] = {}
        for layer in recorder.layers:
            if not isinstance(layer, RecordedLayer):
                raise UnstitchableError(f"{layer.name} works in windows")
            occurrence = seen[layer.name] = seen.get(layer.name, 0) + 1
            stitched = self.layers.setdefault((layer.name, occurrence), Stitched.begun(layer))
            stitched.add(layer, ids.shape[1])
        short = [s.first.name for s in self.layers.values() if s.keys.shape[1] != len(self.ids)]
        if short:
            raise UnstitchableError(f"{short[0]} was not called in every pass")


def as_written(
    model: Model, prepared: Prepared, asked: Asked, ids: Tensor, account: Account, tell: Telling
) -> Trace:
    """Let a model write the same text again, and keep the rows that it computes as it does.

    Raises:
        CaptureError: its rows cannot be appended to each other, or it writes another text.
    """
    why = (
        f"the model changed its positions while it wrote (from token {account.changed} on)"
        if account.changed is not None
        else f"its logits are up to {max(account.off.values()):.1e} of their spread off, where "
        f"rounding allows {account.allowed:.1e} (from token {account.late} on)"
    )
    stitcher = Stitcher(model.module)
    watching: tuple[Watching, ...] = (stitcher.watching, partial(observe, stitcher))
    try:
        if model.kind != "causal" or model.tier != "registry" or model.read or model.written:
            raise UnstitchableError("not all of its layers go through the attention registry")
        again = generate(model, prepared, asked, tell, *watching)
        if not torch.equal(again, ids):
            raise UnstitchableError("it wrote another text the second time")
        if stitcher.ids != ids[0, :-1].tolist():
            raise UnstitchableError(f"{len(stitcher.ids)} tokens were read of {ids.shape[1] - 1}")
    except UnstitchableError as error:
        raise CaptureError(
            f"One pass over the finished text does not show what {model.name} did, because {why}; "
            f"and the rows of its writing cannot be appended to each other, because {error}.",
            _advice(account, asked),
        ) from error
    flag = f"as computed while it wrote: one pass over the finished text looks elsewhere, because {why}"
    layers = [stitched.layer(flag) for stitched in stitcher.layers.values()]
    units = units_from_ids(model.tokenizer, stitcher.ids)
    stacks = stacks_of(layers, (units,), partial(numbered_units, "token"))
    return Trace(
        model=card_of(model),
        text=prepared.text,
        pair=None,
        units=main_stack(stacks).queries,
        stacks=stacks,
        output=None,
        unshown=model.unshown,
    )


def _advice(account: Account, asked: Asked) -> str:
    """Say how much can be written with no row in doubt, or what made doubtful what was."""
    ways = [f"ask for at most {account.room} new tokens"] if account.room > 0 else []
    ways += [f"try without {', '.join(asked.named)}"] if asked.named else []
    ways = ways or ["capture the finished text by itself: viz.capture(model, text)"]
    said = ", or ".join(ways)
    return f"{said[0].upper()}{said[1:]}."
