"""One pass of a module that may not run, or not as it is asked to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from viz.capture.tiers.registry import Observer
from viz.capture.tiers.watching import watch
from viz.inputs.input_copies import Inputs, copies
from viz.models.forward_errors import RUN_ERRORS
from viz.models.forward_signature import forward_parameters, takes_any_name
from viz.models.model_outputs import Outputs, all_tensors


def try_run(
    module: nn.Module, inputs: Mapping[str, Any], observer: Observer | None = None
) -> Outputs | None:
    """Run a module and return everything that it returns; None if it cannot."""
    try:
        with torch.inference_mode(), watch(module, observer) if observer else nullcontext():
            return dict(all_tensors(module(**copies(inputs))))
    except RUN_ERRORS:
        return None


def run_asking(module: nn.Module, inputs: Inputs) -> Outputs | None:
    """Run a module and ask for its weights; without asking where that is what fails."""
    asked = try_run(module, with_attentions(module, inputs))
    return asked if asked is not None else try_run(module, inputs)


def with_attentions(module: nn.Module, inputs: Inputs) -> dict[str, Any]:
    """Ask a model for its weights too, if its forward can be asked."""
    asked = isinstance(module, PreTrainedModel) and (
        "output_attentions" in forward_parameters(module) or takes_any_name(module)
    )
    return {**inputs, "output_attentions": True} if asked else dict(inputs)
