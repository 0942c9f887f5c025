"""Tests run without a hub and with the same random numbers each time."""

from __future__ import annotations

import os

# Before anything imports a library that reads it.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers beside each other share the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# A machine that is busy with something else is no fault of a test's.
settings.register_profile("unhurried", parent=settings.default, deadline=None)
# Whoever runs everything looks at fewer examples, where a test does not name their number.
settings.register_profile("quick", parent=settings.get_profile("unhurried"), max_examples=30)
settings.load_profile("quick" if os.environ.get("CI") else "unhurried")


@pytest.fixture(autouse=True)
def seeded():
    """Start every test from the same random state."""
    import torch  # not by the process that only hands tests out to others

    torch.manual_seed(0)
