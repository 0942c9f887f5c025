"""What the heads of a pass put out, and the values that they took it from."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import RecordedLayer
from viz.capture.tiers.registry import AttentionCall, observe
from viz.capture.trace import Trace
from viz.effects.attention_calls import Call, CallNames, calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.registry_pass import as_captured, require_same
from viz.errors import CaptureError
from viz.inputs.input_copies import copies


@dataclass(frozen=True, slots=True)
class HeadStates:
    """One layer's heads.

    Shapes, in the model's dtype: output [head, query, d], before the output projection; value [kv_head, key, d].
    """

    output: Tensor
    value: Tensor


@dataclass(slots=True)
class StateKeeper:
    """An observer that keeps outputs and values of one input of a batch, call by call.

    Attributes:
        names: of the calls of the pass.
        item: which input of the batch is kept.
        batch: how many there are.
        states: by call.
        whole: the outputs as the model goes on with them, [batch, query, head, d], where they are wanted.
        joined: a part whose heads are not apart; None where all are.
    """

    names: CallNames
    item: int
    batch: int
    keep_whole: bool = False
    states: dict[Call, HeadStates] = field(default_factory=dict)
    whole: dict[Call, Tensor] = field(default_factory=dict)
    joined: str | None = None

    def __call__(self, call: AttentionCall) -> None:
        """Keep one call."""
        at = self.names(call.module)
        if call.finish is not None or call.output.ndim != 4:
            self.joined = at.name
            return
        output = self.of_item(call.output).detach().transpose(0, 1).clone()
        self.states[at] = HeadStates(output, self.of_item(call.value).detach().clone())
        if self.keep_whole:
            self.whole[at] = call.output

    def of_item(self, tensor: Tensor) -> Tensor:
        """Take one input out of what may be shared by all."""
        return tensor[self.item if len(tensor) == self.batch else 0]

    def require_apart(self) -> None:
        """Make sure that the heads of every call were apart.

        Raises:
            CaptureError: those of a part were not.
        """
        if self.joined is not None:
            raise CaptureError(
                f"The output of the heads of {self.joined} is not at hand.",
                "Choose a model whose layers call their kernel with the heads apart.",
            )


@torch.inference_mode()
def head_states(captured: CapturedPass) -> dict[str, list[HeadStates]]:
    """Run a model once more, and keep what its heads put out; by stack, in the order of its layers.

    Raises:
        CaptureError: its heads are not apart, or its attention is not called at the registry.
        VerificationError: the pass returns something else than the capture.
    """
    model, prepared, trace = captured.model, captured.prepared, captured.trace
    kept = StateKeeper(CallNames(model.module), prepared.item, prepared.batch)
    with as_captured(captured), observe(kept):
        result = model.module(**copies(prepared.inputs))
    output = captured.own(result)
    require_same(output, trace, "when what its heads put out is kept")
    kept.require_apart()
    return layer_states(trace, kept.states)


def layer_states(trace: Trace, states: dict[Call, HeadStates]) -> dict[str, list[HeadStates]]:
    """Put the states of calls in the order of a trace's layers.

    Raises:
        CaptureError: a layer is not one call for one input, such as windows or joined calls.
    """
    found: dict[str, list[HeadStates]] = {name: [] for name in trace.stacks}
    for (stack, layer), call in calls_of(trace).items():
        record, one = trace.stacks[stack].records[layer], states.get(call)
        if (
            one is None
            or not isinstance(record, RecordedLayer)
            or one.output.shape[:2] != (record.heads, record.shape[0])
            or one.value.shape[1] < record.shape[1]
        ):
            raise CaptureError(
                f"Layer {record.name} of {trace.model.name} is not one call of the kernel for one input, so "
                "effects of its heads are not known.",
                "Choose a model whose layers attend over whole texts.",
            )
        found[stack].append(HeadStates(one.output, one.value[:, : record.shape[1]]))
    return found
