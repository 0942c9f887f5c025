"""Room on the disk for the checkpoints of trainings."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from viz.errors import BudgetError
from viz.models.custom.model_folder import build_model
from viz.training.training_folder import About

# All checkpoints of a training together, in bytes.
MOST_BYTES = 4_000_000_000

# A tokenizer and a configuration, in bytes, and what is left free on the disk.
BESIDE = 60_000
LEFT_FREE = 500_000_000


def room_of(about: About) -> int:
    """Return what a training will take on the disk, in bytes."""
    one = _weight_bytes(about)
    # Beside its weights a checkpoint has a tokenizer; and the optimiser remembers two numbers a weight.
    return (one + BESIDE) * _checkpoints(about) + 2 * one


def require_room(about: About, root: Path, promised: float = 0.0) -> None:
    """Make sure that a training's checkpoints fit on the disk, and into what each may take of it.

    Args:
        about: the training.
        root: where it is kept.
        promised: what others that are at work will still take, in bytes.

    Raises:
        BudgetError: they do not.
    """
    one, count, needed = _weight_bytes(about), _checkpoints(about), room_of(about)
    here = next(path for path in (root, *root.parents) if path.exists())
    free = max(0.0, shutil.disk_usage(here).free - LEFT_FREE - promised)
    if needed > min(free, MOST_BYTES):
        may = (
            f"a training may take {MOST_BYTES / 1e9:,.0f} GB"
            if free > MOST_BYTES
            else f"the disk has room for {free / 1e9:,.1f} GB"
        )
        raise BudgetError(
            f"{count:,} checkpoints of {one / 1e6:,.1f} MB each would take {needed / 1e9:,.1f} GB; {may}.",
            "Keep a checkpoint less often, or choose a smaller model.",
        )


def _weight_bytes(about: About) -> int:
    with torch.device("meta"):
        module = build_model(about.options)
    return int(4 * sum(parameter.numel() for parameter in module.parameters()))


def _checkpoints(about: About) -> int:
    return 2 + about.settings.steps // about.settings.keep_every
