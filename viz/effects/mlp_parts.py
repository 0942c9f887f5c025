"""Which parts of a model are the MLPs of its layers, whatever they are called: what they add to the residual stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from viz.effects.attention_calls import Call, calls_of
from viz.effects.captured_pass import CapturedPass
from viz.effects.direct_attribution import other_share, owner_of
from viz.effects.post_norm_mlps import MlpState, post_norm_mlps
from viz.effects.residual_stream import Term, line_of, terms_of
from viz.effects.stream_pass import no_stream, watch_stream
from viz.errors import ModelRefusedError, ShapeError

# Stacks whose states become the prediction.
LAST_STACKS = ("self", "decoder")


def mlp_states(captured: CapturedPass) -> dict[tuple[str, int], Sequence[MlpState]]:
    """Find the parts of each layer that are not attention, by stack and layer, such as shared and chosen experts.

    Raises:
        ModelRefusedError: the model has no residual stream from its embedding to its logits, or what is added to it is
            computed between parts; and it does not norm the stream behind each part either.
        CaptureError, VerificationError: as of every watched pass.

    Cost: a pass; one or two more of a model that norms the stream.
    """
    try:
        return _of_stream(captured)
    except ModelRefusedError:
        normed = post_norm_mlps(captured)
        if not normed:
            raise
        return {**normed}


@torch.no_grad()
def _of_stream(captured: CapturedPass) -> dict[tuple[str, int], Sequence[MlpState]]:
    """Find them where there is one stream from the embedding to the logits."""
    kept: dict[int, Tensor] = {}

    def keep(states: Tensor, terms: tuple[Term, ...]) -> None:
        if len(terms) == 1 and terms[0].makers:
            # What the part itself put out; the stream may be handed a multiple of it.
            own = terms[0].makers[-1].result
            own = own if own.shape == states.shape else states
            kept[terms[0].number] = own[captured.prepared.item if len(own) > 1 else 0].clone()

    seen = watch_stream(captured, with_gradients=False, states=keep)
    records = {call.name: (*key, call) for key, call in calls_of(captured.trace).items()}
    found: dict[tuple[str, int], list[MlpState]] = defaultdict(list)
    stack = next((name for name in LAST_STACKS if name in captured.trace.stacks), "self")
    for term in sorted(seen.terms(captured.model), key=lambda one: one.number):
        if _is_normed_stream(term, list(records)):
            raise no_stream(captured.model, "its stream is normed between its layers")
        if owner_of(line_of(term.makers), list(records)) is not None:
            continue
        share = other_share(term, list(records), records, 0.0)
        if share.kind != "mlp" or share.layer is None:
            continue
        if not term.makers or term.number not in kept:
            raise no_stream(
                captured.model, f"what layer {share.layer} adds is computed between parts"
            )
        last = term.makers[-1]
        found[stack, share.layer].append(MlpState(Call(last.name, last.turn), kept[term.number]))
    return dict(found)


def _is_normed_stream(term: Term, names: Sequence[str]) -> bool:
    """Whether a term is the stream behind a norm: attention was added to what the norm was handed."""
    return any(
        owner_of(line_of(one.makers), names) is not None
        for maker in term.makers
        if maker.source is not None and not any(maker.part.children())
        for one in terms_of(maker.source)
    )


def parts_of(
    found: Mapping[tuple[str, int], Sequence[MlpState]], stack: str, layer: int
) -> Sequence[MlpState]:
    """Return the parts of one layer.

    Raises:
        ShapeError: the layer has none.
    """
    if (stack, layer) not in found:
        have = sorted(one for name, one in found if name == stack)
        raise ShapeError(
            f"Layer {layer} of {stack} has no MLP that adds to the residual stream.",
            f"Choose one of {', '.join(map(str, have))}." if have else "Knock heads out instead.",
        )
    return found[stack, layer]
