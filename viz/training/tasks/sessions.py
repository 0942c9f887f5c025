"""What a customer takes next: every shelf has many goods, and everyone has their own."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from viz.analysis.head_patterns import Targets, same_targets
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import symbol_tokenizer
from viz.models.custom.task_losses import IGNORED
from viz.training.dataset_batches import column, distinct, examples_of
from viz.training.task import Baseline, Loaded, Probe, Task, without_text
from viz.training.training_settings import Settings

# In the order in which most customers go past them.
SHELVES = ("tea", "bread", "milk", "fruit", "pasta", "cheese", "juice", "soap")
BRANDS = 8
GOODS = tuple(f"{shelf}{brand}" for shelf in SHELVES for brand in range(1, BRANDS + 1))

LENGTH = 32

# How often somebody goes to a shelf out of order, or takes another brand than their own.
WANDERING, TRYING = 0.1, 0.05

TRAIN, TEST, PROBES = 12_000, 512, 4


def load(seed: int, text: str | None = None) -> Loaded:
    """Let customers with habits of their own walk past the shelves.

    Raises:
        InputError: a text was given.
    """
    without_text("sessions", text)
    tokenizer = symbol_tokenizer(GOODS)
    draw = np.random.default_rng(seed)
    goods = distinct(bought(TRAIN + TEST, draw), draw)
    ids = np.array(tokenizer.convert_tokens_to_ids(list(GOODS)))[goods]
    # The first round tells what a customer likes; after it the next thing can be known.
    labels = np.where(np.arange(LENGTH) > len(SHELVES), ids, IGNORED)
    test, train = slice(0, TEST), slice(TEST, None)
    return Loaded(
        examples=examples_of(
            {"input_ids": ids[train], "labels": labels[train]},
            {"input_ids": ids[test], "labels": labels[test]},
        ),
        tokenizer=tokenizer,
        options=TASK.options,
        probes=tuple(
            Probe(tokenizer.decode(one), None, "self", targets(walk // BRANDS))
            for one, walk in zip(ids[:PROBES], goods[:PROBES], strict=True)
        ),
        notes=(
            f"One visit in {round(1 / WANDERING)} goes to another shelf and one in {round(1 / TRYING)} "
            "to another brand, so that nobody can be right each time.",
        ),
    )


def bought(count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Draw sessions [customer, LENGTH] of goods, numbered shelf by shelf."""
    likes = draw.integers(BRANDS, size=(count, len(SHELVES)))
    steps = np.where(
        draw.random((count, LENGTH)) < WANDERING,
        draw.integers(len(SHELVES), size=(count, LENGTH)),
        1,
    )
    shelves = (draw.integers(len(SHELVES), size=(count, 1)) + steps.cumsum(axis=1)) % len(SHELVES)
    brands = np.where(
        draw.random((count, LENGTH)) < TRYING,
        draw.integers(BRANDS, size=(count, LENGTH)),
        np.take_along_axis(likes, shelves, axis=1),
    )
    goods: NDArray[np.int64] = shelves * BRANDS + brands
    return goods


def targets(shelves: NDArray[np.int64]) -> Targets:
    """Let each purchase look at earlier ones from the shelf that comes next."""
    here = torch.from_numpy(shelves)
    return same_targets((here + 1) % len(SHELVES), here, earlier=True)


def after_the_last(loaded: Loaded) -> Baseline:
    """Say what most often came after the last thing, whoever bought it."""
    train, test = (
        column(rows, "input_ids") for rows in (loaded.examples.train, loaded.examples.test)
    )
    size = loaded.options.vocab_size or 0
    pairs = torch.bincount((train[:, :-1] * size + train[:, 1:]).flatten(), minlength=size * size)
    likeliest = pairs.view(size, size).argmax(dim=1)
    counted = column(loaded.examples.test, "labels")[:, 1:] != IGNORED
    right = likeliest[test[:, :-1]] == test[:, 1:]
    return Baseline(
        "what most often came after the last thing", float(right[counted].float().mean())
    )


TASK = Task(
    name="sessions",
    title="What a customer takes next",
    kind="causal",
    learns="What a customer took so far goes in; what they take next is to come out.",
    shows="A purchase attends to what this customer took before from the shelf that comes next.",
    options=TransformerOptions(
        architecture="decoder",
        vocab_size=len(GOODS) + 4,
        d_model=64,
        layers=2,
        heads=2,
        positions="rotary",
        max_tokens=256,
        tied=False,
    ),
    settings=Settings(steps=600, keep_every=20),
    metric="accuracy",
    solved=0.7,
    scored=0.5,
    load=load,
    baseline=after_the_last,
)
