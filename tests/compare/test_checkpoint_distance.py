"""Heads of several steps against the first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import viz
from viz.compare import changed, curves
from viz.errors import AlignmentError, CancelledError, InputError
from viz.models.custom.model_options import TransformerOptions
from viz.models.custom.small_tokenizers import character_tokenizer
from viz.models.work_control import WorkControl
from viz.training.task_examples import Examples
from viz.training.training_folder import About, RunFolder
from viz.training.training_run import run
from viz.training.training_settings import Settings

IDS = {"input_ids": torch.arange(12)[None]}


def trace_of(module):
    return viz.capture(viz.wrap_model(module.eval()), IDS)


@pytest.fixture(scope="module")
def steps():
    """Return traces of a model whose second layer's queries are moved further at each step."""
    torch.manual_seed(0)
    config = GPT2Config(n_layer=2, n_head=3, n_embd=48, vocab_size=40, n_positions=32)
    module = GPT2LMHeadModel(config)
    traces = []
    for _ in range(4):
        traces.append(trace_of(module))
        with torch.no_grad():
            weight = module.transformer.h[1].attn.c_attn.weight
            weight[:, :96] += torch.randn(48, 96) * 0.2
    return traces


def test_curves_are_the_divergences_from_the_first_step(steps):
    frame = curves(steps, [0, 10, 20, 30])
    assert list(frame.index) == [0, 10, 20, 30]
    assert list(frame.columns) == list(np.ndindex(2, 3))
    assert not frame.iloc[0].any()
    for number in (1, 3):
        expected = changed(steps[0], steps[number]).divergence.reshape(-1)
        np.testing.assert_allclose(frame.iloc[number], expected, atol=1e-12)


def test_only_the_layer_that_learns_moves(steps):
    frame = curves(steps, range(4))
    np.testing.assert_allclose(frame[0], 0, atol=1e-12)
    assert (frame.loc[1:, 1] > 1e-3).all(axis=None)


def test_steps_are_taken_one_after_the_other(steps):
    taken, shares = [], []

    def walk():
        for number, trace in enumerate(steps):
            taken.append((number, len(shares)))
            yield trace

    frame = curves(walk(), list("abcd"), progress=lambda _, share: shares.append(share))
    assert list(frame.index) == list("abcd")
    assert taken == [(0, 0), (1, 2), (2, 4), (3, 6)]
    assert shares == pytest.approx([n / 8 for n in range(1, 9)])


def test_it_can_be_stopped(steps):
    def stop(phase, share):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        curves(steps, range(4), progress=stop)


def test_a_step_of_another_shape_is_named(steps):
    config = GPT2Config(n_layer=1, n_head=3, n_embd=48, vocab_size=40, n_positions=32)
    other = trace_of(GPT2LMHeadModel(config))
    with pytest.raises(AlignmentError, match=r"Step 7 cannot be compared with 0: .* 1 layer of 3"):
        curves([steps[0], other], [0, 7])
    left = []
    frame = curves(
        [steps[0], other, steps[1]],
        ["base", "flat", "deep"],
        apart=lambda name, error: left.append((name, error.message)),
    )
    pd.testing.assert_frame_equal(frame, curves(steps[:2], ["base", "deep"]))
    assert [name for name, _ in left] == ["flat"]
    assert "1 layer of 3" in left[0][1]


@pytest.mark.parametrize(
    ("count", "names", "said"),
    [(0, [], "no steps"), (2, [0, 1, 2], "2 traces and 3 names"), (3, [0], "more than 1 traces")],
)
def test_steps_and_names_must_be_as_many(steps, count, names, said):
    with pytest.raises(InputError, match=said):
        curves(steps[:count], names)


def test_checkpoints_of_a_training_are_followed_from_their_folder(tmp_path):
    tokenizer = character_tokenizer(["01234567"])
    options = TransformerOptions(
        vocab_size=len(tokenizer), d_model=16, layers=1, heads=2, max_tokens=16
    )
    settings = Settings(steps=60, keep_every=20, learning_rate=1e-2)
    folder = RunFolder.create(About("counting", settings, options), tmp_path)
    ids = [torch.arange(at, at + 8) % 8 for at in range(8)] * 20

    def collate(rows):
        return {"input_ids": torch.stack(list(rows)), "labels": torch.stack(list(rows))}

    run(folder, Examples(ids[:128], ids[128:], collate), tokenizer, WorkControl())
    models = (viz.load_model(str(folder.checkpoint(step)), device="cpu") for step in folder.steps())
    frame = curves((viz.capture(model, "01234567") for model in models), folder.steps())
    assert list(frame.index) == [0, 20, 40, 60]
    assert not frame.iloc[0].any()
    assert (frame.iloc[1:] > 1e-4).all(axis=None)
