"""Why a model that runs is refused: none of its attention shows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from viz.capture.replay.module_runs import try_run
from viz.capture.tiers.eager import likely
from viz.capture.tiers.hand_written_axes import Unclear
from viz.capture.tiers.sample_probe import Probe
from viz.capture.tiers.softmax_calls import Softmaxes
from viz.capture.tiers.unshown_parts import left_out
from viz.capture.tiers.value_probe import value_parts
from viz.errors import ModelRefusedError
from viz.inputs.input_copies import Inputs
from viz.inputs.sample_inputs import sample_inputs
from viz.inputs.units import counted


def refuse_unseen(module: nn.Module, probed: Probe | None, name: str) -> None:
    """Refuse a model that runs on a sample text and has nothing that may attend.

    One that does not even run may need more than a text, and one with parts that project values may
    attend to longer texts; their first capture tells.

    Raises:
        ModelRefusedError: it runs, and has nothing to show.
    """
    if probed is not None or value_parts(module):
        return
    inputs = sample_inputs(module)
    if inputs is not None and try_run(module, inputs) is not None:
        raise refuse_attention(module, inputs, name)


def refuse_attention(module: nn.Module, inputs: Inputs, name: str) -> ModelRefusedError:
    """Say why no tier shows the attention of a model that runs."""
    with Softmaxes(module) as softmaxes:
        try_run(module, inputs)
    likely(softmaxes)
    if softmaxes.by_hand is not None and softmaxes.by_hand.unclear:
        return _refuse_unclear(name, softmaxes.by_hand.unclear)
    hint = "Convolutions, state-space and recurrent models have none; choose a transformer."
    if not type(module).__module__.startswith("transformers."):
        hint = (
            "If it attends in a way of its own, say how: "
            "viz.wrap_model(module, attention={'name of a part': function})."
        )
    parts = left_out(module, (), [part.name for part in value_parts(module)])
    if parts:
        others = f" (and {counted(len(parts) - 1, 'other part')} alike)" if len(parts) > 1 else ""
        return ModelRefusedError(
            f"{name} has no softmax attention that can be observed: the output of {parts[0]} is no "
            f"weighted mean of its values{others}.",
            hint,
        )
    return ModelRefusedError(f"{name} has no softmax attention that can be observed.", hint)


def _refuse_unclear(name: str, unclear: Mapping[str, Unclear]) -> ModelRefusedError:
    """Say what was seen of the first part that weighs something, and how many others do."""
    part, told = max(unclear.items(), key=lambda one: one[1].mixes)
    called = part or "the model itself"
    others = len(unclear) - 1
    hint = told.hint
    if told.mixes and not hint.endswith("."):
        own = repr(part) if part else "'name of a part'"
        hint = (
            f"{hint}, or say how it attends: viz.wrap_model(module, attention={{{own}: function}})."
        )
    return ModelRefusedError(
        f"{name} has no softmax attention that can be observed: {called} {told.reason}"
        + (f" (and {counted(others, 'other part')} alike)." if others else "."),
        hint,
    )
