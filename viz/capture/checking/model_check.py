"""A model run as it was given, captured, and eagerly, and what differs, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import pandas as pd
import torch

from viz.capture.capture import capture_prepared
from viz.capture.checking.own_attentions import compare_layers
from viz.capture.checking.pass_differences import passes_apart
from viz.capture.checking.random_draws import Chance
from viz.capture.checking.reference_pass import eager_pass, in_short
from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.capture.trace import Trace
from viz.errors import CaptureError, LoupeError
from viz.inputs.media import ImageSource, SoundSource
from viz.inputs.modalities import prepare_any
from viz.inputs.prepared import Prepared
from viz.inputs.units import counted
from viz.models import Model
from viz.models.argument_checks import require_model

# What two passes may differ by in a weight, at least; the half types round more.
EXACT = {torch.float32: 1e-5, torch.float64: 1e-5}
EXACT_HALF = 5e-2

# Roundings of the largest score that end up in a weight.
SCORE_ROUNDINGS = 4

# Outputs add up the roundings of all layers: this many times what a weight may be off by, and in the
# half types so much of the largest output.
OUTPUT_FACTOR = 10
OUTPUT_HALF = 0.1


# What the columns of a check's table say, to whoever reads it.
COLUMNS = {
    "tier": "how the weights were seen: registry is from recorded queries and keys, hooks at the layer "
    "itself, eager as the model reports them",
    "difference": "the largest difference between a captured weight and the eager one, empty where there "
    "is none to compare with",
    "allowed": "what rounding may make of that difference",
    "output error": "the largest difference between weights @ values and what the heads returned",
    "note": "why a layer was not compared, or what the model returns instead of weights",
}


@dataclass(frozen=True, slots=True)
class Check:
    """How far captured weights are from those of the model's own eager attention.

    Attributes:
        layers: one row a layer: stack, layer, module, tier, largest difference (NaN where the model
            returns no weights of its own to compare with), what rounding allows, the output error
            when it was captured, and a note: what the model returns instead of its weights, or why
            nothing was compared; or nothing.
        output_difference: largest difference between the outputs of the captured pass and of the
            model as it was given, as a share of the largest output.
        eager_difference: the same between its eager attention and the model as it was given; NaN
            where it was not compared.
        output_allowed: what rounding allows in these two.
        reason: why two passes of this model cannot be compared (it draws at random, its eager
            attention computes something else), or nothing.
    """

    layers: pd.DataFrame
    output_difference: float
    eager_difference: float = nan
    output_allowed: float = EXACT[torch.float32] * OUTPUT_FACTOR
    reason: str = ""

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
        whole = counted(len(self.layers), "layer")
        notes = self.layers.loc[self.layers["note"] != "", "note"].value_counts()
        if self.compared == 0:
            why = self.reason or next(iter(notes.index), "nothing was captured")
            said = f"none of {whole} could be compared, because {why}; {self._output()}"
            return said if self.holds else f"{said}: NOT exact"
        weight = f"weights differ by at most {self.largest:.1e}, and {self._output()}"
        verdict = self.reason or ("exact" if self.exact else "NOT exact")
        several = [f"{counted(count, 'layer')}: {note}" for note, count in notes.items()]
        said = f"{self.compared} of {whole} compared with eager attention; {weight}: {verdict}"
        return said if self.reason else "; ".join([said, *several])

    def _output(self) -> str:
        """Say how far the captured run's output is from that of the model as it was given."""
        if self.output_difference == 0:
            return "the captured run returns exactly what the model alone returns"
        share = f"{self.output_difference:.1e} of the largest number"
        return f"the captured run's output differs from the model's own by at most {share} in it"

    @property
    def holds(self) -> bool:
        """Whether nothing that could be compared is further apart than rounding."""
        if self.reason and self.compared == 0:
            return True
        off = self.layers["difference"] > self.layers["allowed"]
        return not (bool(off.any()) or self.output_difference > self.output_allowed)

    @property
    def exact(self) -> bool:
        """Whether weights were compared, and no difference is more than rounding."""
        return self.compared > 0 and not self.reason and self.holds


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
    """Run a model captured, eagerly and as it was given, and compare; inputs as for `viz.capture`.

    All passes start from one state of the random numbers. The truth is the model as it was given:
    the captured pass has to reproduce its output, and eager weights count where the eager pass does.

    Raises:
        CaptureError: the model has no eager attention of its own, or cannot be told to run it.

    Cost: three passes; the eager one holds layer * head * n^2 weights.
    """
    require_model(model)
    prepared = prepare_any(
        model, inputs, pair=pair, target=target, image=image, sound=sound, item=item
    )
    return check_prepared(model, prepared)


def check_prepared(model: Model, prepared: Prepared) -> Check:
    """Compare captured and eager weights of inputs that are prepared already; see `check`."""
    chance = Chance.now()
    try:
        trace = _captured(model, prepared)
        chance.restore()
        stacks = list(trace.stacks.values())
        records = [record for stack in stacks for record in stack.records]
        own = eager_pass(model, prepared, {record.name for record in records})
        allowed = [_allowed(record, model.dtype) for record in records]
        output_allowed = OUTPUT_FACTOR * max(allowed) if model.dtype in EXACT else OUTPUT_HALF
        apart = passes_apart(model, prepared, trace, own, chance, output_allowed)
    finally:
        chance.restore()
    compared = compare_layers(stacks, own, prepared, allowed)
    layers = [(stack, number) for stack in stacks for number in range(stack.layers)]
    rows = [
        {
            "stack": stack.name,
            "layer": number,
            "module": record.name,
            "tier": record.provenance.tier,
            "difference": nan if apart.incomparable else found.difference,
            "allowed": most,
            "output error": record.provenance.output_error,
            "note": apart.reason or found.note,
        }
        for (stack, number), record, found, most in zip(
            layers, records, compared, allowed, strict=True
        )
    ]
    return Check(pd.DataFrame(rows), apart.captured, apart.eager, output_allowed, apart.reason)


def _captured(model: Model, prepared: Prepared) -> Trace:
    """Capture; what is no mistake of the user's is an answer here as well."""
    try:
        return capture_prepared(model, prepared)
    except LoupeError:
        raise
    except Exception as error:
        raise CaptureError(
            f"{model.name} could not be captured: {in_short(error)}.",
            "Nothing can be compared; look at it with viz.capture first.",
        ) from error


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
