"""One pass of a module that may not run, or not as it is asked to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from transformers import Cache, PreTrainedModel

from viz.models.attention import Observer
from viz.models.outputs import Outputs, all_tensors
from viz.models.past import copied_past
from viz.models.rerun import copied
from viz.models.signature import forward_parameters, takes_any_name
from viz.models.watch import watch

Inputs = Mapping[str, Any]

# What models raise when they are run in a way that they do not support, or are wrong themselves.
RUN_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NameError,
    OSError,
    ImportError,
    EOFError,
    BufferError,
    StopIteration,
)


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


def copies(inputs: Inputs) -> dict[str, Any]:
    """Give every pass tensors of its own, because a model may write to what it is given."""
    return {
        name: copied_past(value) if isinstance(value, Cache) else copied(value)
        for name, value in inputs.items()
    }
