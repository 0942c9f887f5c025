"""Why a model that runs is refused: none of its attention shows."""

from __future__ import annotations

from torch import nn

from viz.errors import ModelRefusedError
from viz.models.hidden import left_out
from viz.models.probe import Probe
from viz.models.running import try_run
from viz.models.sample import sample_inputs
from viz.models.values import value_parts


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
        raise refuse_attention(module, name)


def refuse_attention(module: nn.Module, name: str) -> ModelRefusedError:
    """Say that no tier shows the attention of a model that runs, and which of its parts may attend."""
    unread = [part.name for part in value_parts(module)]
    parts = left_out(module, (), unread)
    hint = "Convolutions, state-space and recurrent models have none; choose a transformer."
    if not type(module).__module__.startswith("transformers."):
        hint = (
            "If it attends in a way of its own, say how: "
            "viz.wrap_model(module, attention={'name of a part': function})."
        )
    if unread:
        return ModelRefusedError(
            f"{name} has no softmax attention that can be observed; {parts[0]} and "
            f"{len(parts) - 1} more mix tokens, and their outputs are no weighted means of their values."
            if len(parts) > 1
            else f"{name} has no softmax attention that can be observed; {parts[0]} mixes tokens, and "
            "its output is no weighted mean of its values.",
            hint,
        )
    return ModelRefusedError(f"{name} has no softmax attention that can be observed.", hint)
