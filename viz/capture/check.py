"""A model run twice, captured and eagerly, and what differs, layer by layer."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.capture.arranged import ArrangedLayer
from viz.capture.capture import capture_prepared
from viz.capture.layer import Layer, RecordedLayer
from viz.capture.sparse import SparseLayer
from viz.capture.trace import Trace
from viz.errors import CaptureError
from viz.models import Model
from viz.models.arguments import require_model
from viz.models.media import ImageSource, SoundSource
from viz.models.outputs import first_output
from viz.models.prepared import Prepared
from viz.models.preserve import preserved
from viz.models.returned import returned_weights
from viz.models.running import with_attentions
from viz.models.senses import prepare_any
from viz.models.tokens import counted
from viz.models.ways import switched

# What two passes may differ by in a weight, at least; the half types round more.
EXACT = {torch.float32: 1e-5, torch.float64: 1e-5}
EXACT_HALF = 5e-2

# Roundings of the largest score that end up in a weight.
SCORE_ROUNDINGS = 4

# [batch or window, head, query, key]
WEIGHTS_DIMENSIONS = 4

# Outputs add up the roundings of all layers.
OUTPUT_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Check:
    """How far captured weights are from those of the model's own eager attention.

    Attributes:
        layers: one row a layer: stack, layer, module, tier, largest difference (NaN where the model
            returns no weights of its own to compare with), what rounding allows, the output error
            when it was captured, and a note of why it was not compared, or nothing.
        output_difference: largest difference of the outputs, as a share of the largest output.
    """

    layers: pd.DataFrame
    output_difference: float

    def __repr__(self) -> str:
        return f"Check({self.summary()})"

    @property
    def largest(self) -> float:
        """The largest difference of any weight."""
        return float(self.layers["difference"].max())

    @property
    def compared(self) -> int:
        """How many layers the model returns weights of its own for."""
        return int(self.layers["difference"].notna().sum())

    def summary(self) -> str:
        """Say in one line what came of it."""
        output = f"of the output {self.output_difference:.1e} of its size"
        whole = counted(len(self.layers), "layer")
        if self.compared == 0:
            why = self.layers["note"].mode()[0]
            return f"none of {whole} could be compared, because {why}; largest difference {output}"
        verdict = "exact" if self.exact else "NOT exact"
        weight = f"largest difference of a weight {self.largest:.1e}, {output}"
        return f"{self.compared} of {whole} compared, {weight}: {verdict}"

    @property
    def exact(self) -> bool:
        """Whether no difference is more than rounding."""
        if self.compared == 0:
            return False
        within = ~(self.layers["difference"] > self.layers["allowed"])
        return (
            bool(within.all())
            and not self.output_difference > float(self.layers["allowed"].max()) * OUTPUT_FACTOR
        )


def check(
    model: Model,
    inputs: str | Mapping[str, Any] | None = None,
    *,
    pair: str | None = None,
    target: str | None = None,
    image: ImageSource | None = None,
    sound: SoundSource | None = None,
    item: int | None = None,
) -> Check:
    """Run a model captured and eagerly, and compare; inputs as for `viz.capture`.

    Raises:
        CaptureError: the model has no eager attention of its own, or cannot be told to run it.

    Cost: both passes; the eager one holds layer * head * n^2 weights.
    """
    require_model(model)
    prepared = prepare_any(
        model, inputs, pair=pair, target=target, image=image, sound=sound, item=item
    )
    return check_prepared(model, prepared)


def check_prepared(model: Model, prepared: Prepared) -> Check:
    """Compare captured and eager weights of inputs that are prepared already; see `check`."""
    trace = capture_prepared(model, prepared)
    asked = with_attentions(model.module, prepared.inputs)
    watching = returned_weights(model.module)
    alone = preserved(model.module)
    layers = [(stack, layer) for stack in trace.stacks.values() for layer in range(stack.layers)]
    records = [stack.record(layer) for stack, layer in layers]
    listening = _listen(model.module, {record.name for record in records})
    with (
        model.lock,
        _eagerly(model),
        alone,
        watching as returned,
        listening as said,
        torch.inference_mode(),
    ):
        result = model.module(**asked)
    own: dict[str, list[Tensor]] = {}
    shown = {name for name, _ in returned.proven}
    for name, weights in (*returned.proven, *returned.proven_apart_from(shown)):
        own.setdefault(name, []).append(weights)
    for record in records:
        if (
            record.name not in own
            and isinstance(record, RecordedLayer)
            and record.sinks is not None
        ):
            own[record.name] = [one for one in said[record.name] if _is_short_of_one(one, record)]
    rows = []
    for (stack, layer), record in zip(layers, records, strict=True):
        difference = _difference(record, own, prepared)
        rows.append(
            {
                "stack": stack.name,
                "layer": layer,
                "module": record.name,
                "tier": record.provenance.tier,
                "difference": difference,
                "allowed": _allowed(record, model.dtype),
                "output error": record.provenance.output_error,
                "note": _why_not(record, said, returned.unproven) if isnan(difference) else "",
            }
        )
    return Check(pd.DataFrame(rows), _output_difference(trace, first_output(result), prepared))


@contextlib.contextmanager
def _listen(module: nn.Module, names: Collection[str]) -> Iterator[dict[str, list[Tensor]]]:
    """Keep what parts return beside their output, in as many dimensions as weights have."""
    said: dict[str, list[Tensor]] = {name: [] for name in names}
    handles = []
    for name in names:
        if not name or name not in dict(module.named_modules()):
            continue

        def hook(_part: nn.Module, _given: Any, output: Any, name: str = name) -> None:
            beside = output[1:] if isinstance(output, tuple) else ()
            said[name] += [
                one for one in beside if isinstance(one, Tensor) and one.ndim >= WEIGHTS_DIMENSIONS
            ]

        handles.append(module.get_submodule(name).register_forward_hook(hook))
    try:
        yield said
    finally:
        for handle in handles:
            handle.remove()


def _is_short_of_one(tensor: Tensor, record: RecordedLayer) -> bool:
    """Whether a tensor may be the weights of a layer whose sinks take a share of every row."""
    shaped = tensor.ndim == WEIGHTS_DIMENSIONS and tensor.shape[1:] == (record.heads, *record.shape)
    return shaped and float(tensor.min()) >= 0 and float(tensor.sum(dim=-1).max()) < 1 + EXACT_HALF


def _why_not(record: Layer, said: Mapping[str, list[Tensor]], unproven: Collection[str]) -> str:
    """Say why a layer could not be compared."""
    beside = said[record.name]
    alike = any(one.shape[1:] == (record.heads, *record.shape) for one in beside)
    if alike or record.name in unproven:
        return "the weights that the model returns are not those that it used"
    if beside:
        shape = " x ".join(str(size) for size in beside[0].shape)
        return f"the model returns its weights in another layout ({shape})"
    return "the model returns no weights of its own"


def _allowed(record: Layer, dtype: torch.dtype) -> float:
    """How far two float32 passes may lie apart: a score's rounding grows with the score.

    Scores of trained models reach hundreds (DINOv2's outliers), of which float32 keeps five digits
    behind the point; a softmax turns that into the same share of a weight.
    """
    least = EXACT.get(dtype, EXACT_HALF)
    if not isinstance(record, RecordedLayer):
        return least
    longest = [part.float().norm(dim=-1).max() for part in (record.query, record.key)]
    largest = float(longest[0] * longest[1]) * abs(record.scale)
    return max(least, SCORE_ROUNDINGS * torch.finfo(dtype).eps * largest)


@contextlib.contextmanager
def _eagerly(model: Model) -> Iterator[None]:
    """Let a model run its own eager attention for a while."""
    module = model.module
    if not isinstance(module, PreTrainedModel):
        raise CaptureError(
            f"{model.name} has no eager attention to compare with.",
            "Its layers were checked against their own output when it was captured.",
        )
    with switched(module, "eager"):
        if module.config._attn_implementation != "eager":
            raise CaptureError(
                f"{model.name} chose its kernel when it was built, so it has no eager attention to "
                "compare with.",
                "Its layers were checked against their own output when it was captured; "
                "build it with attn_implementation='eager' to look at those weights.",
            )
        yield


def _difference(record: Layer, own: dict[str, list[Tensor]], prepared: Prepared) -> float:
    """Compare one layer, head by head, with what its part returned; NaN if it cannot be."""
    waiting = own.get(record.name)
    if not waiting or isinstance(record, SparseLayer):
        return float("nan")
    theirs = waiting.pop(0)
    windows = theirs.shape[0] // prepared.batch
    mine = theirs[prepared.item * windows : (prepared.item + 1) * windows].float()
    record = record.inner if isinstance(record, ArrangedLayer) else record
    wide, long = mine.shape[2:]
    if record.shape != (windows * wide, windows * long) or record.heads != mine.shape[1]:
        return float("inf")
    largest = 0.0
    for window in range(windows):
        rows = torch.arange(window * wide, (window + 1) * wide, device=mine.device)
        captured, first = record.rows(slice(0, record.heads), rows)
        # What lies outside the run of keys, or outside the window, is not attended.
        whole = captured.new_zeros(record.heads, wide, windows * long)
        whole[:, :, first : first + captured.shape[-1]] = captured
        looking = whole.sum(dim=-1) > 0
        whole[:, :, window * long : (window + 1) * long] -= mine[window]
        # Of a row of padding that looks at nothing, eager attention makes an even one.
        whole = whole[looking]
        if whole.numel() == 0:
            continue
        largest = max(largest, float(whole.abs().max()))
    return largest


def _output_difference(trace: Trace, output: Tensor, prepared: Prepared) -> float:
    mine = output[min(prepared.item, len(output) - 1)]
    if trace.output is None or trace.output.shape != mine.shape:
        return float("inf")
    size = float(mine.float().abs().max()) or 1.0
    return float((trace.output.float() - mine.float()).abs().max()) / size
