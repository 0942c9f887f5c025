"""The model of our own that comes along is what its card says, and does what it is there for."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re

import pytest

import viz
from viz.errors import ModelNotFoundError
from viz.models import catalogue
from viz.models.catalogue import CATALOGUE, SHIPPED, is_available, local_folder
from viz.models.fetch import fetch
from viz.training.demo import NAME, OPTIONS, corpus, measured
from viz.training.demo.measures import scored

FOLDER = SHIPPED / NAME
CARD = (FOLDER / "README.md").read_text()

MOST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def model():
    return viz.load_model(NAME)


# Whoever runs everything reads every fourth of the sequences that were kept back; its loss is that of all but for this.
QUICK = bool(os.environ.get("CI"))
APART = 0.05 if QUICK else 2e-3


@pytest.fixture(scope="module")
def told(model):
    known = corpus(model.tokenizer)
    if not QUICK:
        return measured(model, known)
    part = measured(model, dataclasses.replace(known, unseen=known.unseen[::4]))
    return dataclasses.replace(part, heads=scored(model, known))


def test_it_is_small_and_nothing_in_it_can_run():
    files = list(FOLDER.iterdir())
    assert {path.name for path in files} == {
        *("README.md", "config.json", "model.safetensors", "tokenizer.json"),
        "tokenizer_config.json",
    }
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_its_weights_are_those_of_the_card():
    weights = (FOLDER / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() in CARD
    assert f"{len(weights):,} bytes" in CARD


def test_it_is_what_the_catalogue_says_and_needs_no_fetching(model):
    entry = CATALOGUE[NAME]
    assert local_folder(entry) == FOLDER == fetch(entry)
    assert model.module.config.options == OPTIONS
    assert (model.layers, model.heads, model.kind) == (entry.layers, entry.heads, entry.kind)
    assert model.parameters == entry.parameters
    assert f"{model.parameters:,}" in CARD


def test_its_weights_of_attention_are_exact(model):
    checked = viz.check(model, "The animal didn't cross the street because it was too tired.")
    assert checked.exact


def test_a_head_looks_at_the_token_before(told):
    best = told.heads.previous.best
    assert best.score >= 0.8
    assert best.uniform < 0.1


def test_a_head_looks_at_what_came_after_the_same_token(told):
    for scores in (told.heads.induction, told.heads.induction_text):
        assert scores.best.score >= 0.6
        assert scores.best.uniform < 0.1
    # It says what it sees there.
    assert told.heads.copied > 0.5


def test_it_knows_more_of_unseen_text_than_bigrams_do(told):
    assert told.loss < told.bigram_loss


def test_the_figures_of_the_card_are_those_of_the_model(told):
    heads = told.heads
    best = [one.best for one in (heads.previous, heads.induction, heads.induction_text)]
    stated = re.findall(r"\| layer (\d+), head (\d+) \| ([\d.]+) \| ([\d.]+) \|", CARD)
    for row, one in zip(stated, best, strict=True):
        assert [float(cell) for cell in row] == pytest.approx(list(one), abs=2e-3)
    losses = re.search(r"the model \| ([\d.]+) \|\n.*\(bigrams\) \| ([\d.]+) \|", CARD)
    assert [float(loss) for loss in losses.groups()] == pytest.approx(
        [told.loss, told.bigram_loss], abs=APART
    )


def test_a_folder_that_is_gone_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "SHIPPED", tmp_path)
    assert not is_available(CATALOGUE[NAME])
    with pytest.raises(ModelNotFoundError, match="not on this machine"):
        viz.load_model(NAME)
    with pytest.raises(ModelNotFoundError, match=r"comes along in assets/models/loupe") as caught:
        fetch(CATALOGUE[NAME])
    assert "scripts/demo_model.py" in caught.value.hint
