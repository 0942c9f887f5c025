"""The births of tomorrow from those of the last weeks: a week is found by attention."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from viz.analysis.head_patterns import same_targets
from viz.models.custom.model_options import TransformerOptions
from viz.training.bundled_data import table_of
from viz.training.dataset_batches import column, examples_of
from viz.training.task import Baseline, Loaded, Probe, Task, without_text
from viz.training.training_settings import Settings

WEEK = 7
DAYS = 5 * WEEK

# The years from here on are unseen.
FIRST_TEST_YEAR = 2012
PROBES = 4


def load(seed: int, text: str | None = None) -> Loaded:
    """Cut the series into stretches of days; each day is to tell the next.

    The seed changes nothing: what comes later is unseen.

    Raises:
        InputError: a text was given.
    """
    without_text("forecasting", text)
    series, later = daily()
    train = stretches(series[:later], every=1)
    test = stretches(series[later:], every=DAYS)
    return Loaded(
        examples=examples_of(train, test),
        tokenizer=None,
        options=TASK.options,
        probes=tuple(probe(vectors) for vectors in test["vectors"][:PROBES]),
        notes=(
            "Numbers are in standard deviations from the mean of the years that are learnt from.",
        ),
    )


def daily() -> tuple[NDArray[np.float32], int]:
    """Read the births of each day, standardised by the years that are learnt from, and where those end."""
    table = table_of("births")
    later = int((pd.to_datetime(table["date"]).dt.year < FIRST_TEST_YEAR).sum())
    births = table["births"].to_numpy(dtype=np.float64)
    seen = births[:later]
    return ((births - seen.mean()) / seen.std()).astype(np.float32), later


def stretches(series: NDArray[np.float32], every: int) -> dict[str, NDArray[np.float32]]:
    """Cut a series into stretches [stretch, day, 1], and the next day of each of their days."""
    starts = range(0, len(series) - DAYS, every)
    cut = np.stack([series[start : start + DAYS + 1] for start in starts])[..., None]
    return {"vectors": cut[:, :-1], "labels": cut[:, 1:]}


def probe(vectors: NDArray[np.float32]) -> Probe:
    """Let each day look at days of the weekday that it is to tell: 6, 13, 20 days back."""
    day = torch.arange(DAYS)
    targets = same_targets((day + 1) % WEEK, day % WEEK)
    return Probe({"vectors": torch.from_numpy(vectors)[None]}, None, "self", targets)


def as_a_week_ago(loaded: Loaded) -> Baseline:
    """Say that each day will be like the same weekday of the week before."""
    rows = loaded.examples.test
    told = column(rows, "labels")
    known = column(rows, "vectors")
    before = torch.cat([known[:, :1], told], dim=1)
    # Only the days that have a week before them in their own stretch.
    errors = (told[:, WEEK - 1 :] - before[:, : DAYS - WEEK + 1]) ** 2
    return Baseline(
        "the same weekday of the week before, of days that have one", float(errors.mean())
    )


TASK = Task(
    name="forecasting",
    title="Births of the next day",
    kind="causal",
    learns="The births of each day in the United States go in; those of the next day are to come out.",
    shows="A day looks 6, 13, 20 days back: at the weekday that comes next.",
    options=TransformerOptions(
        architecture="decoder",
        task="regression",
        d_input=1,
        outputs=1,
        d_model=64,
        layers=2,
        heads=2,
        positions="learned",
        max_tokens=DAYS,
        pool="none",
    ),
    settings=Settings(steps=1_000, batch_size=32, keep_every=40),
    metric="loss",
    solved=0.13,
    scored=0.5,
    load=load,
    baseline=as_a_week_ago,
)
