"""A request turned into a model's inputs, and its pass captured; for nobody yet, and with no head surveyed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from viz.analysis import predictions
from viz.capture import Check, capture_prepared, check_prepared
from viz.capture.layers.heard_layer import heard
from viz.capture.trace import Trace
from viz.effects.target import classes_of
from viz.errors import CaptureError
from viz.inputs.default_target import write
from viz.inputs.input_checks import require_context
from viz.inputs.modalities import prepare_media
from viz.inputs.prepare import prepare
from viz.inputs.prepared import Prepared
from viz.inputs.text import count_tokens
from viz.models import Model
from viz.models.run_cost import require_room
from viz.service.file_store import FileStore
from viz.service.run_request import require_few, require_given, second_text
from viz.service.run_result import Analysis, Request
from viz.service.uploaded_media import loudness, require_readable, seen_picture, sense_of

Progress = Callable[[str, float], None]

# Kinds of models whose output ranks the vocabulary.
PREDICTING = ("causal", "masked", "seq2seq")

# Eager attention of more tokens takes gigabytes.
MOST_CHECKED_TOKENS = 1_024

# Masks of a text at which every token's probability is kept.
MOST_MASKS = 8


def capture_request(
    model: Model,
    request: Request,
    media: FileStore,
    token: str,
    progress: Progress,
    *,
    most: int | None = None,
) -> Analysis:
    """Run a request's model; its heads are surveyed afterwards.

    Args:
        model: that the request names.
        request: what to do.
        media: where pictures and sounds are kept.
        token: of the result, by which a browser asks for parts of it.
        progress: called with a phase and the share done; may raise to cancel.
        most: tokens that a run may have; None where only model and memory say.

    Raises:
        LoupeError: what was asked cannot be done, for the reason it gives.
    """
    require_given(model, request)
    progress("tokenise", 0.0)
    if most is not None and not request.media:
        require_few(count_tokens(model, request.text, request.pair), most)
    prepared, written = prepare_request(model, request, media, progress)
    cost = require_room(model, prepared.longest)
    start = time.perf_counter()
    trace = capture_prepared(model, prepared, progress)
    seconds = time.perf_counter() - start
    ranked = None
    if model.kind in PREDICTING:
        ranked = predictions(trace, whole=_compared(model, prepared, trace))
    classes = classes_of(trace, model)
    trace, loud = trace.without_output(), _loudness(request, media)
    if loud is not None:
        # What fills a sound up to what the model always hears is no part of it.
        trace = replace(trace, stacks=heard(trace.stacks, loud[1]))
    return Analysis(
        request=request,
        token=token,
        trace=trace,
        surveys={},
        predictions=ranked,
        estimate=cost,
        seconds=seconds,
        tokenizer=model.tokenizer,
        written=written,
        picture=_picture(model, prepared),
        loudness=loud,
        classes=classes,
    )


def prepare_request(
    model: Model, request: Request, media: FileStore, progress: Progress
) -> tuple[Prepared, str | None]:
    """Turn a request into the model's inputs, and return what an encoder-decoder without a target wrote; as above."""
    pair, target = second_text(model, request)
    if not request.media:
        tokens = count_tokens(model, request.text, request.pair)
        require_context(model, tokens)
        require_room(model, tokens)

    def prepared(target: str | None) -> Prepared:
        if not request.media:
            return prepare(model, request.text, pair=pair, target=target)
        path, sense = media.path(request.media), sense_of(request.media)
        require_readable(path)
        text = request.text if "text" in model.reads and request.text.strip() else None
        return prepare_media(
            model,
            text,
            target=target,
            image=path if sense == "image" else None,
            sound=path if sense == "sound" else None,
        )

    first = prepared(target)
    if model.kind != "seq2seq" or target is not None:
        return first, None
    progress("write", 0.0)
    written = write(model, first)
    return (first, written) if not (written or "").strip() else (prepared(written), written)


def check_request(model: Model, request: Request, media: FileStore, progress: Progress) -> Check:
    """Compare a request's weights with the model's own eager attention; arguments as in `capture_request`.

    Raises:
        CaptureError: the text is too long for weights to be held, or there is no eager way.
    """
    tokens = 0 if request.media else count_tokens(model, request.text, request.pair)
    if tokens > MOST_CHECKED_TOKENS:
        raise CaptureError(
            f"The text has {tokens:,} tokens; eager attention is run on at most "
            f"{MOST_CHECKED_TOKENS:,}, because it holds every weight.",
            "Check the model on a shorter text.",
        )
    prepared, _ = prepare_request(model, request, media, progress)
    return check_prepared(model, prepared)


def _loudness(request: Request, media: FileStore) -> tuple[NDArray[np.float32], float] | None:
    if not request.media or sense_of(request.media) != "sound":
        return None
    return loudness(media.path(request.media))


def _compared(model: Model, prepared: Prepared, trace: Trace) -> list[int]:
    """Say at which positions two predictions are laid side by side: at the end, or at masks."""
    assert trace.output is not None, "a capture keeps its output"
    if model.kind != "masked":
        return [len(trace.output) - 1]
    mask = getattr(model.tokenizer, "mask_token_id", None)
    masks = [place for place, number in enumerate(prepared.units.ids) if number == mask]
    return masks[:MOST_MASKS]


def _picture(model: Model, prepared: Prepared) -> NDArray[np.uint8] | None:
    pixels = prepared.inputs.get("pixel_values")
    return None if pixels is None else seen_picture(pixels, model.processor)
