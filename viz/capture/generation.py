"""A text as a model writes it: the prompt's rows and one row for each new token, as one pattern."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from viz.capture.capture import capture, card_of, in_words
from viz.capture.layer import Layer, RecordedLayer
from viz.capture.mask import Spans
from viz.capture.passes import Progress, Telling
from viz.capture.provenance import Provenance
from viz.capture.recorder import Recorder
from viz.capture.stacks import main_stack, stacks_of
from viz.capture.trace import Trace
from viz.errors import CaptureError, LoupeError, ShapeError
from viz.models import Model
from viz.models.arguments import require_model, whole_number
from viz.models.attention import Observer, observe
from viz.models.context import forget_longer_texts
from viz.models.prepare import prepare
from viz.models.prepared import Prepared
from viz.models.preserve import preserved
from viz.models.readable import check_text, require_context
from viz.models.tokens import numbered_units, units_from_ids
from viz.models.ways import switched

# Options of `generate` that would change what is cached, or what comes back.
FIXED_OPTIONS = {
    *("use_cache", "cache_implementation", "cache_config", "return_dict_in_generate"),
    *("num_beams", "num_return_sequences", "past_key_values", "assistant_model"),
}


@dataclass(slots=True)
class Stitched:
    """What one layer looked at so far: every query and every key once, in order."""

    first: RecordedLayer
    provenance: Provenance
    queries: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)
    starts: list[Tensor] = field(default_factory=list)
    stops: list[Tensor] = field(default_factory=list)

    def add(self, layer: RecordedLayer) -> None:
        """Append the rows of one more call.

        Raises:
            UnstitchableError: its mask or its bias cannot be continued.
        """
        if not isinstance(layer.mask, Spans) or layer.bias is not None:
            raise UnstitchableError
        if layer.sinks is not None and layer.sinks.ndim > 1:
            raise UnstitchableError  # one a query
        if layer is not self.first:
            self.provenance = self.provenance.together(layer.provenance, self.provenance.mask)
        rows, held = layer.shape
        before = sum(query.shape[1] for query in self.queries)
        # A sliding window's cache has let go of the oldest keys; what is left counts from here.
        offset = before + rows - held
        self.queries.append(layer.query)
        self.keys.append(layer.key[:, held - rows :])
        self.starts.append(layer.mask.start + offset)
        self.stops.append(layer.mask.stop + offset)

    def layer(self) -> RecordedLayer:
        """Join all rows to one layer."""
        one = self.first
        mask = Spans(torch.cat(self.starts), torch.cat(self.stops))
        keys = torch.cat(self.keys, dim=1)
        return RecordedLayer(
            name=one.name,
            query=torch.cat(self.queries, dim=1),
            key=keys,
            scale=one.scale,
            mask=mask,
            bias=None,
            softcap=one.softcap,
            sinks=one.sinks,
            provenance=replace(self.provenance, mask=mask.describe(keys.shape[1])),
        )


def capture_generation(
    model: Model,
    text: str,
    *,
    new_tokens: int = 20,
    progress: Progress | None = None,
    **options: Any,
) -> Trace:
    """Let a model go on with a text, and keep where every token looked while it was written.

    Args:
        model: a causal language model, or an encoder-decoder.
        text: the prompt, or what an encoder-decoder reads.
        new_tokens: how many to write at most; the model may stop before.
        progress: called with "forward" and the share done; may raise to cancel.
        options: further ones of the model's `generate`, such as `do_sample`; greedy by default.

    Returns:
        A trace of the prompt and what was written; its last token was written and never read, so
        that it has no row. Its `output` is None where it was stitched. Layers outside the attention
        registry, or with position biases, are captured in one pass over the finished text: the same
        weights, because no row depends on a later token.

    Raises:
        CaptureError: the model writes no text, or fails while it does.

    Cost: that of generating with a key-value cache, and memory for queries and keys.
    """
    require_model(model)
    if model.kind not in ("causal", "seq2seq"):
        raise CaptureError(
            f"{model.name} writes no text; it is of the kind {model.kind!r}.",
            "Choose a language model or an encoder-decoder.",
        )
    new_tokens = whole_number(new_tokens, "number of new tokens")
    if new_tokens < 1:
        raise ShapeError(f"{new_tokens} new tokens were asked for.", "Ask for at least 1.")
    fixed = sorted(FIXED_OPTIONS & set(options))
    if fixed:
        raise ShapeError(
            f"The option {fixed[0]} cannot be chosen: rows are stitched from the usual cache.",
            "Leave it out.",
        )
    prepared = prepare(model, check_text(text))
    causal = model.kind == "causal"
    require_context(model, (len(prepared.units) if causal else 1) + new_tokens)
    stitched: dict[str, Stitched] = {}
    tell = Telling(progress)
    recorder = _StepRecorder(model, stitched, tell, new_tokens)
    stitching = causal and model.tier == "registry" and not (model.read or model.written)
    options = {"do_sample": False, "max_new_tokens": new_tokens, "use_cache": True, **options}
    try:
        ids = _generate(model, prepared, options, recorder if stitching else None, tell)
    except UnstitchableError:
        stitching = False
        ids = _generate(model, prepared, options, None, tell)
    if not stitching:
        return _in_one_pass(model, text, ids, progress)
    layers: list[Layer] = [parts.layer() for parts in stitched.values()]
    units = units_from_ids(model.tokenizer, ids[0, : layers[0].shape[0]].tolist())
    stacks = stacks_of(layers, (units,), partial(numbered_units, "token"))
    return Trace(
        model=card_of(model),
        text=text,
        pair=None,
        units=main_stack(stacks).queries,
        stacks=stacks,
        output=None,
    )


def _generate(
    model: Model,
    prepared: Prepared,
    options: dict[str, Any],
    recorder: Observer | None,
    tell: Telling,
) -> Tensor:
    """Let a model write, observed or not, and return the ids [1, token]."""
    module: Any = model.module
    inputs = {name: value for name, value in prepared.inputs.items() if name != "decoder_input_ids"}
    watching = observe(recorder) if recorder is not None else nullcontext()
    try:
        way = switched(module, model.plan.way if model.plan else None)
        with model.lock, torch.inference_mode(), preserved(module), way, watching:
            forget_longer_texts(module)
            ids: Tensor = module.generate(**inputs, **options)
    except (LoupeError, UnstitchableError):
        raise
    except Exception as error:
        tell.reraise()
        raise CaptureError(
            f"{model.name} failed while it wrote: {in_words(error)}", "Try fewer new tokens."
        ) from error
    return ids


def _in_one_pass(model: Model, text: str, ids: Tensor, progress: Progress | None) -> Trace:
    """Capture a finished text; its last token was never read."""
    read = ids[:, :-1] if ids.shape[1] > 1 else ids
    inputs = {"input_ids": read}
    if model.kind == "seq2seq":
        inputs = {**prepare(model, text).inputs, "decoder_input_ids": read}
    return replace(capture(model, inputs, progress=progress), text=text)


class UnstitchableError(Exception):
    """A layer's rows cannot be appended to each other."""


class _StepRecorder:
    """Records each call, checks it as any other, and appends its rows to its layer's."""

    def __init__(
        self, model: Model, stitched: dict[str, Stitched], tell: Progress, new_tokens: int
    ) -> None:
        self.model = model
        self.stitched = stitched
        self.tell = tell
        self.expected = model.layers * new_tokens
        self.calls = 0

    def __call__(self, call: Any) -> None:
        recorder = Recorder(self.model.module)
        recorder(call)
        layer = recorder.layers[0]
        if not isinstance(layer, RecordedLayer):
            raise UnstitchableError
        self.stitched.setdefault(layer.name, Stitched(layer, layer.provenance)).add(layer)
        self.calls += 1
        self.tell("forward", min(1.0, self.calls / self.expected))
