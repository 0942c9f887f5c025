"""Passes of a model beside its capture: the attention set as that proved it, and the same output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor

from viz.capture.tiers.attention_implementations import switched
from viz.capture.tiers.compare_outputs import difference
from viz.capture.trace import Trace
from viz.effects.captured_pass import CapturedPass
from viz.effects.kernel_calls import KernelCalls
from viz.errors import CaptureError, VerificationError
from viz.models.context_length import forget_longer_texts
from viz.models.preserve_state import preserved


@contextmanager
def as_captured(captured: CapturedPass) -> Iterator[None]:
    """Set a model as in a capture, with nobody else running it, and put it back.

    Hooks on it are put on and taken off within, because it may be shared with others' passes.

    Raises:
        CaptureError: its attention is called neither through transformers' registry nor on PyTorch's kernel, where
            alone what its heads put out is at hand.
    """
    model, plan = captured.model, captured.plan
    if plan.asked or not (plan.registry or plan.by_kernel):
        raise CaptureError(
            f"This is found out where a model hands its queries, keys and values to an attention function, and "
            f"{model.name} computes its attention by itself, between other things.",
            "Its patterns are exact all the same. Choose a model such as Llama, GPT-2, Qwen, BERT or T5 for this.",
        )
    with model.lock:
        forget_longer_texts(model.module)
        calls = nullcontext() if plan.registry else KernelCalls(model.module)
        with switched(model.module, plan.way), preserved(model.module), calls:
            yield


def require_same(output: Tensor, trace: Trace, when: str, *, row: int | None = None) -> None:
    """Make sure that a pass returned what was captured.

    Args:
        output: of the pass.
        trace: of the capture, with its output.
        when: what was done otherwise, after "computes something else".
        row: of the capture's output that it is to be; all of it by default.

    Raises:
        VerificationError: it did not.
    """
    assert trace.output is not None
    expected = trace.output if row is None else trace.output[row]
    apart, allowed = difference({"": output.detach()}, {"": expected})
    # Negated, so that NaN does not pass.
    if not apart <= allowed:
        raise VerificationError(
            f"{trace.model.name} computes something else {when}: outputs are {apart:.2g} apart as a share of "
            f"their size, allowed {allowed:.2g}.",
            "Load it with another attn_implementation, or with dtype float32.",
        )
