"""How much worse a model predicts texts without each head: estimated for all heads at once, and exact for some.

Source: Nanda 2023, "Attribution Patching", for the estimate; Michel et al. 2019, "Are Sixteen Heads Really Better than
One?", who take its size for a head's importance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from viz.capture.stack import Stack
from viz.effects.knock_out import knock_out_of
from viz.effects.replacements import Head
from viz.effects.weight_gradients import gradients_of
from viz.errors import CancelledError, CaptureError, InputError, ModelRefusedError
from viz.models import Model
from viz.survey.measured import Measured, NotMeasured
from viz.survey.probes.text_loss import loss_pass, predicted_tokens

ESTIMATE, EXACT = "loss_estimate", "loss_effect"

# Of one text: its number, how many of its tokens were predicted, and each head's effect, [layer, head].
Effects = tuple[int, int, NDArray[np.float64]]


def loss_estimates(
    model: Model,
    texts: Sequence[str],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Sequence[Measured | NotMeasured]:
    """Estimate how much the loss rises where a head's output is set to 0 at all positions, to first order.

    The loss of a text is the mean of -log p of each next token, in nats per token; of a masked model, of the 15 % of its
    tokens that are masked. The estimate is -sum dL/do . o over what the head puts out: above 0 where the text is predicted
    worse without it.

    Args:
        model: what is measured; one that predicts the next token, or fills in masked ones.
        texts: a text of which nothing is to be predicted, such as one of a single token, is left out, and counts nothing.
        seed: of what is masked.
        progress: called with how many texts are done, and of how many; may raise to cancel.

    Returns:
        The score of each stack, in nats per token, the mean over all predicted tokens of all texts; counted is their
        number, halves are every second text, and chance means nothing. A reason where there is none.

    Raises:
        InputError: there are no texts, or one cannot be read.

    Cost: for each text a capture, and one pass forward and backward; memory for one text.
    """
    require_texts(texts)
    draw = np.random.default_rng(seed)
    stacks: dict[str, list[Effects]] = defaultdict(list)
    for number, text in enumerate(texts):
        if progress is not None:
            progress(number, len(texts))
        try:
            captured = loss_pass(model, text, draw=draw)
            if captured is None:
                continue
            found = gradients_of(captured)
        except CancelledError:
            raise
        except (CaptureError, ModelRefusedError) as error:
            return [NotMeasured(ESTIMATE, error.message)]
        for name in captured.trace.stacks:
            change = found.first_order(stack=name).double().numpy()
            stacks[name].append((number, predicted_tokens(captured), change))
    if progress is not None:
        progress(len(texts), len(texts))
    return [_measured(ESTIMATE, name, effects) for name, effects in stacks.items()] or [
        NotMeasured(ESTIMATE, "No text has a token to be predicted.")
    ]


def loss_effects(
    model: Model,
    texts: Sequence[str],
    heads: Sequence[tuple[str, int, int]],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Sequence[Measured | NotMeasured]:
    """Measure how much the loss rises where a head's output is set to 0 at all positions, exactly.

    Args:
        model: what is measured; one that predicts the next token, or fills in masked ones.
        texts: as in `loss_estimates`; with the same seed the same tokens are masked.
        heads: stack, layer and head, each knocked out by itself.
        seed: of what is masked.
        progress: called with how many passes without a head are done, and of how many; may raise to cancel.

    Returns:
        As in `loss_estimates`; NaN, and nothing counted, of heads that were not asked for.

    Raises:
        InputError: there are no texts or heads, or a text cannot be read.
        ShapeError: a head is none of the model's.

    Cost: for each text a capture, and a pass for each head, up to 16 in one batch.
    """
    require_texts(texts)
    draw = np.random.default_rng(seed)
    parts = [Head(layer, head, stack) for stack, layer, head in heads]
    stacks: dict[str, list[Effects]] = defaultdict(list)
    for number, text in enumerate(texts):
        before = number * len(parts)

        def tell(done: int, _of: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, len(texts) * len(parts))

        tell(0, len(parts))
        try:
            captured = loss_pass(model, text, draw=draw)
            if captured is None:
                continue
            found = knock_out_of(captured, heads=parts, progress=tell)
        except CancelledError:
            raise
        except (CaptureError, ModelRefusedError) as error:
            return [NotMeasured(EXACT, error.message)]
        changes = {name: _empty(stack) for name, stack in captured.trace.stacks.items()}
        for part, without in zip(parts, found.without, strict=True):
            assert part.head is not None
            changes[part.stack][part.layer, part.head] = without - found.value
        for name in {part.stack for part in parts}:
            stacks[name].append((number, predicted_tokens(captured), changes[name]))
    if progress is not None:
        progress(len(texts) * len(parts), len(texts) * len(parts))
    return [_measured(EXACT, name, effects) for name, effects in sorted(stacks.items())] or [
        NotMeasured(EXACT, "No text has a token to be predicted.")
    ]


def require_texts(texts: Sequence[str]) -> None:
    """Make sure that there are texts.

    Raises:
        InputError: there are none.
    """
    if isinstance(texts, str) or not texts:
        raise InputError("There are no texts to predict.", "Give a list of texts.")


def _empty(stack: Stack) -> NDArray[np.float64]:
    return np.full((stack.layers, max(map(stack.heads, range(stack.layers)))), np.nan)


def _measured(score: str, stack: str, effects: Sequence[Effects]) -> Measured:
    value = _mean(effects, effects)
    halves = [_mean([one for one in effects if one[0] % 2 == half], effects) for half in (0, 1)]
    predicted = sum(count for _, count, _ in effects)
    counted = np.where(np.isnan(value), 0, predicted)
    return Measured(score, stack, value, np.full(value.shape, np.nan), np.stack(halves), counted)


def _mean(some: Sequence[Effects], every: Sequence[Effects]) -> NDArray[np.float64]:
    """Average effects, each predicted token counting the same; NaN where there are no texts."""
    if not some:
        return np.full(every[0][2].shape, np.nan)
    return np.average([one[2] for one in some], axis=0, weights=[one[1] for one in some])
