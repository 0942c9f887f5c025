"""A model run by itself, unobserved: as it was given, and by its own eager attention."""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from viz.capture.replay.module_runs import with_attentions
from viz.capture.tiers.attention_implementations import EAGER_NAME, switched
from viz.capture.tiers.eager import Returned, returned_weights
from viz.errors import CaptureError
from viz.inputs.input_copies import copies
from viz.inputs.prepared import Prepared
from viz.models import Model
from viz.models.model_outputs import Outputs, all_tensors
from viz.models.preserve_state import preserved

NUMBER = re.compile(r"(?<=/)\d+(?=/|$)")


@dataclass(slots=True)
class Said:
    """What one call of a part returned.

    Attributes:
        output: the first tensor, its output.
        beside: every other tensor, however deep it lay.
    """

    output: Tensor | None
    beside: list[Tensor]


@dataclass(slots=True)
class OwnPass:
    """What a pass by the model's own eager attention showed.

    Attributes:
        outputs: all that the model returned, by the way to it; empty where the pass failed.
        returned: weights that were multiplied with values, part by part.
        said: what the parts asked about returned, call by call.
        streams: where the numbers of parts' outputs lie, of those that are still there.
        failure: what the model raised when it was asked for its weights, or at all; or nothing.
    """

    outputs: Outputs
    returned: Returned
    said: dict[str, list[Said]]
    streams: set[int] = field(default_factory=set)
    failure: str = ""

    def attentions(self) -> dict[str, list[Tensor]]:
        """What the model returned under the name of attentions, one list a field."""
        fields: dict[str, list[Tensor]] = {}
        for path, tensor in self.outputs.items():
            if "attentions" in path:
                fields.setdefault(NUMBER.sub("*", path), []).append(tensor)
        return fields

    def results(self) -> Outputs:
        """What the model returned, but for attentions."""
        return {path: one for path, one in self.outputs.items() if "attentions" not in path}


def plain_pass(model: Model, prepared: Prepared) -> Any:
    """Run a model as it stands, without changing or asking it anything.

    Raises:
        CaptureError: its forward failed.
    """
    try:
        with model.lock, preserved(model.module), torch.inference_mode():
            return model.module(**copies(prepared.inputs))
    except Exception as error:
        raise CaptureError(
            f"{model.name} failed during its forward pass: {in_short(error)}.",
            "Check that the inputs are what this model expects.",
        ) from error


def transformers_parts(model: Model) -> list[PreTrainedModel]:
    """List the models of transformers in a model, itself first if it is one."""
    return [part for part in model.module.modules() if isinstance(part, PreTrainedModel)]


def eager_pass(model: Model, prepared: Prepared, names: Collection[str]) -> OwnPass:
    """Run a model by its own eager attention, and listen to the parts that are named.

    A model that fails on being asked for its weights is run without asking; one that fails then too
    has said so, which is an answer.

    Raises:
        CaptureError: the model has no eager attention, or cannot be told to run it.
    """
    failure = ""
    with model.lock, eagerly(model):
        asked = with_attentions(model.module, prepared.inputs)
        for inputs in (asked, prepared.inputs) if len(asked) > len(prepared.inputs) else (asked,):
            said: dict[str, list[Said]] = {}
            made: list[weakref.ref[Tensor]] = []
            alone, watching = preserved(model.module), returned_weights(model.module)
            try:
                with alone, watching as returned, _listen(model.module, names, said, made):
                    with torch.inference_mode():
                        result = model.module(**copies(inputs))
                    outputs = dict(all_tensors(result))
            except Exception as error:
                failure = failure or in_short(error)
                continue
            there = [tensor for tensor in (one() for one in made) if tensor is not None]
            streams = {tensor.data_ptr() for tensor in there}
            return OwnPass(outputs, returned, said, streams, failure)
    return OwnPass({}, Returned(), {}, failure=failure)


@contextlib.contextmanager
def eagerly(model: Model) -> Iterator[None]:
    """Let a model run its own eager attention for a while; every setting is put back as it was.

    Raises:
        CaptureError: it has none, or cannot be told to run it.
    """
    parts = transformers_parts(model)
    if not parts:
        raise CaptureError(
            f"{model.name} has no eager attention to compare with.",
            "Its layers were checked against their own output when it was captured.",
        )
    with switched(model.module, EAGER_NAME):
        if parts[0].config._attn_implementation != EAGER_NAME:
            raise CaptureError(
                f"{model.name} chose its kernel when it was built, so it has no eager attention to "
                "compare with.",
                "Its layers were checked against their own output when it was captured; "
                "build it with attn_implementation='eager' to look at those weights.",
            )
        yield


@contextlib.contextmanager
def _listen(
    module: nn.Module,
    names: Collection[str],
    said: dict[str, list[Said]],
    made: list[weakref.ref[Tensor]],
) -> Iterator[None]:
    """Keep what the parts named return, call by call, and note which outputs parts made at all."""
    handles = []
    for name, part in module.named_modules():
        if not name:
            continue

        def hook(_part: nn.Module, _given: Any, output: Any, name: str = name) -> None:
            tensors = [one for _, one in all_tensors(output)]
            made.extend(weakref.ref(one) for one in tensors[:1])
            if name in names:
                first = tensors[0] if tensors else None
                said.setdefault(name, []).append(Said(first, tensors[1:]))

        handles.append(part.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def in_short(error: Exception) -> str:
    """Say what a model raised in one line that ends no sentence."""
    said = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
