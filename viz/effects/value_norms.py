"""How large what each value writes into the stream is: its norm behind the output projection.

Source: Kobayashi et al. 2020, "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.tiers.registry import AttentionCall, observe
from viz.effects.attention_calls import Call, CallNames, calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.head_states import HeadStates
from viz.effects.registry_pass import as_captured, require_same
from viz.effects.stream_pass import allowed_apart
from viz.errors import CaptureError
from viz.inputs.input_copies import copies

# Rows of what heads put out on which a projection is tried.
TRIED = 8


@dataclass(slots=True)
class ProjectionWatch:
    """Finds the part that is handed what the heads of each call put out, side by side, and maps it linearly.

    Attributes:
        names: of the calls of the pass.
        last: the latest call, and what its heads put out, [.., query, head x d].
        maps: by call, how each head is written into the stream, float32 [head, d, d_model].
        busy: a part is being tried, which is no call of the model's own.
    """

    names: CallNames
    last: tuple[Call, Tensor, int] | None = None
    maps: dict[Call, Tensor] = field(default_factory=dict)
    busy: bool = False

    def __call__(self, call: AttentionCall) -> None:
        """Remember what a call put out."""
        at = self.names(call.module)
        apart = call.finish is None and call.output.ndim == 4
        self.last = (at, call.output.flatten(-2), call.output.shape[-2]) if apart else None

    def try_part(self, part: nn.Module, args: tuple[Any, ...]) -> None:
        """See whether a part is handed what the latest call put out, and how it maps that."""
        if self.busy or self.last is None or not args or not isinstance(args[0], Tensor):
            return
        call, output, heads = self.last
        given = args[0]
        if given.shape[-1] != output.shape[-1] or given.numel() != output.numel():
            return
        if not torch.equal(given.reshape(-1, given.shape[-1]), output.reshape(-1, given.shape[-1])):
            return
        self.busy = True
        try:
            found = _linear_map(part, given.reshape(-1, given.shape[-1])[:TRIED])
        finally:
            self.busy = False
        if found is not None:
            self.maps[call] = found.view(heads, -1, found.shape[-1])
            self.last = None


def _linear_map(part: nn.Module, rows: Tensor) -> Tensor | None:
    """Return the matrix by which a part maps rows, float32 [in, out], beside what it adds to all; None if it has none."""
    width = rows.shape[-1]
    try:
        added = part.forward(rows.new_zeros(1, width))
        # Heads one by one would be called as often; unit vectors at once are as large as the matrix itself.
        matrix = part.forward(torch.eye(width, dtype=rows.dtype, device=rows.device)) - added
        expected = part.forward(rows)
    except (RuntimeError, TypeError, ValueError):
        # It takes more than one tensor, or of another shape: a part around the projection.
        return None
    if not isinstance(matrix, Tensor) or matrix.ndim != 2 or len(matrix) != width:
        return None
    apart = torch.linalg.vector_norm((rows @ matrix + added - expected).float())
    size = torch.linalg.vector_norm(expected.float()) + torch.linalg.vector_norm(added.float())
    return matrix.float() if bool(apart <= allowed_apart(rows) * size) else None


@torch.inference_mode()
def value_norms(
    captured: CapturedPass, states: Mapping[str, Sequence[HeadStates]]
) -> dict[str, list[Tensor]]:
    """Measure what each key's value becomes behind the output projection of each head.

    A weight times this norm is how large what it writes is, whatever its direction.

    Args:
        captured: the pass.
        states: what its heads put out, with their values.

    Returns:
        By stack and layer, float32 [head, key].

    Raises:
        CaptureError: what a layer's heads put out does not go straight through a linear projection.
        VerificationError: the pass returns something else than the capture.

    Cost: a pass, and the output projection of unit vectors and of values.
    """
    model, prepared, trace = captured.model, captured.prepared, captured.trace
    watch = ProjectionWatch(CallNames(model.module))
    with as_captured(captured), observe(watch), _before_parts(model.module, watch.try_part):
        result = model.module(**copies(prepared.inputs))
    output = captured.own(result)
    require_same(output, trace, "when its output projections are watched")
    found: dict[str, list[Tensor]] = {name: [] for name in trace.stacks}
    for (stack, layer), call in calls_of(trace).items():
        if call not in watch.maps:
            raise CaptureError(
                f"What the heads of {call.name} put out is not handed straight to a linear projection, so what a "
                "value writes has no norm of its own.",
                "Choose weights times gradient, which need none.",
            )
        value, maps = states[stack][layer].value.float(), watch.maps[call]
        groups = len(maps) // len(value)
        norms = [
            torch.linalg.vector_norm(value[head // groups] @ one, dim=-1)
            for head, one in enumerate(maps)
        ]
        found[stack].append(torch.stack(norms))
    return found


@contextmanager
def _before_parts(
    module: nn.Module, hear: Callable[[nn.Module, tuple[Any, ...]], None]
) -> Iterator[None]:
    """Say of each part what it is handed, before it runs."""
    handles = [part.register_forward_pre_hook(hear) for part in module.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
