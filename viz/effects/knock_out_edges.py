"""What a prediction becomes without some attention weights, exactly: their queries attend to what is left.

Source: Geva et al. 2023, "Dissecting Recall of Factual Associations in Auto-Regressive Language Models", attention
knock-out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from viz.capture.trace import Trace
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.content_masks import masks_follow_content
from viz.effects.edges import EdgeEdit, Edges, edge_edits
from viz.effects.head_states import HeadStates, head_states
from viz.effects.target import Objective, Target
from viz.effects.variants import predicted_without
from viz.errors import CaptureError, InputError
from viz.models import Model

# Weights that are knocked out at once: one description of them, or several.
EdgeSet = Edges | Sequence[Edges]


@dataclass(frozen=True, slots=True)
class EdgeKnockOuts:
    """A prediction with and without some weights.

    Attributes:
        trace: the pass with all of them.
        objective: the prediction.
        value: of it with all weights.
        without: of it without each set of edges, in the order asked for.
        edges: that were knocked out, one set after the other.
    """

    trace: Trace
    objective: Objective
    value: float
    without: tuple[float, ...]
    edges: tuple[EdgeSet, ...]


def knock_out_edges(
    model: Model,
    inputs: str | Mapping[str, Any],
    explained: Target | None = None,
    *,
    edges: Sequence[EdgeSet],
    pair: str | None = None,
    target: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EdgeKnockOuts:
    """Run a model without some of its attention weights, exactly: their queries attend to what is left.

    Args:
        model: from `viz.load_model` or `viz.wrap_model`, which calls its attention through transformers' registry or
            on PyTorch's kernel.
        inputs: a text, or the model's own inputs; one input.
        explained: the prediction; by default the last position's first token against its runner-up.
        edges: sets of weights, each an `Edges` or several of them; each set is knocked out on its own.
        pair: a second text, for models that read pairs.
        target: what an encoder-decoder writes.
        progress: called with how many sets are done, and of how many; may raise to cancel.

    Raises:
        InputError, ShapeError: the target or an edge is none of this model's, or there are several inputs.
        CaptureError: what the model's heads put out is not at hand, or its masks follow what it reads and edges of
            several layers are knocked out together.
        VerificationError: the same pass in a batch returns something else.

    Cost: the capture, and a pass for each set, up to 16 in one batch. In a decoder, and where all edges start at the
    position of the prediction: one pass, and a token for each set.
    """
    captured = captured_pass(model, inputs, explained, pair=pair, target=target)
    return knock_out_edges_of(captured, edges, progress=progress)


def knock_out_edges_of(
    captured: CapturedPass,
    edges: Sequence[EdgeSet],
    *,
    states: Mapping[str, Sequence[HeadStates]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EdgeKnockOuts:
    """Run a captured pass without each set of edges; arguments and errors as in `knock_out_edges`.

    Args besides: states, what its heads put out, where that is known.
    """
    if isinstance(edges, Edges) or not isinstance(edges, Sequence) or not edges:
        raise InputError(
            f"The edges are {edges!r:.60}.",
            "Give a list of sets, such as [viz.Edges(columns=[0])].",
        )
    variants = [edits_of(captured.trace, one) for one in edges]
    for edits in variants:
        require_masks_that_stay(captured, edits)
    rows = sorted({int(row) for edits in variants for one in edits for row in one.rows})
    if states is None and rows == [captured.objective.position]:
        states = head_states(captured)
    without = predicted_without(captured, variants, rows=rows, states=states, progress=progress)
    return EdgeKnockOuts(captured.trace, captured.objective, captured.value, without, tuple(edges))


def edits_of(trace: Trace, edges: EdgeSet) -> list[EdgeEdit]:
    """Find the calls that a set of weights belongs to; errors as in `edge_edits`.

    Raises:
        InputError: the set is empty.
    """
    several: list[Any] = list(edges) if isinstance(edges, (list, tuple)) else [edges]
    if not several:
        raise InputError("A set of edges is empty.", "Give at least one Edges.")
    for one in several:
        if not isinstance(one, Edges):
            raise InputError(f"{one!r:.60} is no Edges.", "Give viz.Edges(columns=[0]), say.")
    edits = [edit for one in several for edit in edge_edits(trace, one)]
    if len(several) == 1:
        return edits
    return [
        replace(
            edit,
            beside=tuple(other for other in edits if other.call == edit.call and other is not edit),
        )
        for edit in edits
    ]


def require_masks_that_stay(captured: CapturedPass, edits: Sequence[EdgeEdit]) -> None:
    """Make sure that the masks of later layers are those that were recorded, whatever is knocked out before them.

    Raises:
        CaptureError: they are not.
    """
    if len({edit.call for edit in edits}) > 1 and masks_follow_content(captured):
        raise CaptureError(
            f"{captured.model.name} decides by what it reads where its heads may look, so without weights in one layer "
            "the masks of later ones are not those that were recorded.",
            "Knock out weights of one layer at a time, or whole heads.",
        )
