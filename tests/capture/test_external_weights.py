"""Weights from elsewhere are shown as they are, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import viz
from viz.analysis import strongest_edges
from viz.patterns import overview

RANDOM = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, np.ndarray.tolist, list])
def test_an_array_of_any_make_becomes_a_stack(make):
    stack = viz.load_weights(make(RANDOM), queries=list("abcd"), keys=list("vwxyz"))
    assert (stack.layers, stack.heads(1), len(stack.queries), len(stack.keys)) == (2, 3, 4, 5)
    np.testing.assert_allclose(stack.weights(1, 2).numpy(), RANDOM[1, 2])
    assert stack.provenance(0).tier == "given"
    assert strongest_edges(stack, 0, 0, 1)["weight"][0] == RANDOM[0, 0].max()
    assert overview(stack)[0].entropy_nats.shape == (2, 3)


def test_files_of_either_kind_hold_one_array_or_one_a_layer(tmp_path):
    np.savez(tmp_path / "one.npz", RANDOM)
    np.savez(tmp_path / "many.npz", **{f"layer_{n}": RANDOM[n % 2] for n in range(11)})
    save_file({"weights": RANDOM}, tmp_path / "one.safetensors")
    assert viz.load_weights(tmp_path / "one.npz").layers == 2
    assert viz.load_weights(str(tmp_path / "one.safetensors")).layers == 2
    many = viz.load_weights(tmp_path / "many.npz")
    np.testing.assert_array_equal(many.weights(10, 0).numpy(), RANDOM[0, 0])


def test_layers_may_have_different_heads():
    stack = viz.load_weights([RANDOM[0], RANDOM[1][:1]])
    assert (stack.heads(0), stack.heads(1)) == (3, 1)


def changed(index, value):
    other = RANDOM.copy()
    other[index] = value
    return other


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed((0, 0, 0, 0), np.nan), "Layer 0 .* NaN"),
        (changed((1, 0, 0, 0), -0.25), "Layer 1 .* -0.25, and weights are never negative"),
        (2 * RANDOM, "row of layer 0 sums to 2,"),
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((1, 1, 1, 1, 1, 1)), r"shape \(1, 1, 1, 1, 1, 1\)"),
        (np.ones((0, 2, 2)), "shape"),
        ("words.txt", "neither"),
        ("missing.npz", "could not be read"),
        ([["a", "b"]], "a list that makes no array: its items are no numbers"),
        ([[0.5, 0.5], [1.0]], "or of different lengths"),
        (None, "What was given as weights is None, no array of numbers"),
        ({"layer": "words"}, "is a dict that holds no arrays"),
        ({}, "is a dict that holds no arrays"),
        ((), "shape"),
        (np.full((2, 3, 4, 5), np.nan), "Every one of the weights is NaN or 0"),
        (changed((0, 0, 0, 0), np.inf), "Layer 0 .* infinity"),
        (changed((1, 2, 3, 0), np.nan), "Layer 1 .* NaN beside numbers, in row 3 of head 2"),
        (RANDOM * 1j, "complex"),
        (torch.empty(2, 3, 4, 5, device="meta"), "meta device"),
        ([RANDOM[0], None], "Item 1 of the list is None"),
        (np.zeros((2, 3, 4, 5)), "Every one of the weights is 0"),
        ([RANDOM[0], RANDOM[0][:, :2]], "different queries"),
    ],
)
def test_what_cannot_be_weights_is_refused(weights, message):
    with pytest.raises(viz.LoupeError, match=message) as caught:
        viz.load_weights(weights)
    assert caught.value.hint
    assert not caught.value.message.endswith("..")


def test_rows_of_padding_may_be_zero():
    assert viz.load_weights(changed((slice(None), slice(None), 3), 0)).layers == 2


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    return content[:200] + bytes([content[200] ^ 255]) + content[201:]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("damage", [cut, flipped, lambda _content: b""])
def test_a_damaged_file_is_said_to_be(save, damage, tmp_path):
    save(tmp_path / "a.npz", RANDOM)
    (tmp_path / "a.npz").write_bytes(damage((tmp_path / "a.npz").read_bytes()))
    with pytest.raises(viz.LoupeError, match=r"a.npz are damaged: .*[^.]\. Save or fetch"):
        viz.load_weights(tmp_path / "a.npz")


OTHERS = {
    "tokens": np.array(["a", "b"]),
    "ids": np.arange(4),
    "seconds": np.float32(3),
    "attention_mask": np.ones((1, 4)),
    "hidden": np.random.default_rng(1).normal(size=(1, 4, 8)),
    "words": np.array(["a", None], dtype=object),
    "contacts": np.random.default_rng(1).uniform(size=(1, 4, 4)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_weights_is_named_and_passed_over(name, tmp_path):
    np.savez(tmp_path / "a.npz", weights=RANDOM, **{name: OTHERS[name]})
    for source in (tmp_path / "a.npz", {name: OTHERS[name], "weights": RANDOM}):
        stack = viz.load_weights(source)
        np.testing.assert_array_equal(stack.weights(1, 2).numpy(), RANDOM[1, 2])
        assert f"passed over: {name!r}" in stack.provenance(0).flags


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "evil.npz", np.array([{"a": 1}], dtype=object))
    with pytest.raises(viz.LoupeError, match="could not be read"):
        viz.load_weights(tmp_path / "evil.npz")


def test_labels_must_be_as_many():
    with pytest.raises(viz.LoupeError, match="3 labels for 4 queries"):
        viz.load_weights(RANDOM, queries=["a", "b", "c"])
