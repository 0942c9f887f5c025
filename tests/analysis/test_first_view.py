"""What is seen first: hand-made patterns in which one head and one query show something."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from viz.analysis import opening, opening_stack
from viz.capture.layers.recorded_layer import ReportedLayer
from viz.capture.stack import Stack
from viz.capture.verification import UNVERIFIED
from viz.inputs.units import numbered_units, patch_units, units_from_labels

PATCHES = patch_units(6, 6, before=1)
COUNT = len(PATCHES)
CLS = 0


def at(row, column):
    return 1 + row * 6 + column


def uniform():
    return torch.full((COUNT, COUNT), 1 / COUNT)


def on_itself():
    return torch.eye(COUNT) * 0.9 + uniform() * 0.1


def on_a_sink(key):
    weights = uniform() * 0.1
    weights[:, key] += 0.9
    return weights


def with_row(weights, query, keys, mass=0.9):
    """Let one query put most of its weight on some keys."""
    weights = weights.clone()
    weights[query] *= 1 - mass
    weights[query, keys] += mass / len(keys)
    return weights


EYE = [at(1, 1), at(1, 2), at(2, 1), at(2, 2)]


def stack_of(*layers, units=PATCHES):
    records = tuple(
        ReportedLayer(f"layer {n}", torch.stack(heads), UNVERIFIED)
        for n, heads in enumerate(layers)
    )
    return Stack("self", records, units, units)


@pytest.mark.parametrize("query", [CLS, at(4, 4), at(5, 0)])
@pytest.mark.parametrize("head", [0, 1, 2])
def test_a_picture_opens_on_the_query_that_looks_at_something(head, query):
    dull = [uniform(), on_itself(), on_a_sink(CLS)]
    late = list(dull)
    late[head] = with_row(late[head], query, EYE)
    assert opening(stack_of(dull, dull, late)) == (2, head, query)


def test_early_layers_are_passed_over():
    early = [with_row(uniform(), at(4, 4), EYE)] * 2
    late = [uniform(), with_row(uniform(), at(3, 5), EYE, mass=0.5)]
    assert opening(stack_of(early, early, late)) == (2, 1, at(3, 5))


def test_of_one_layer_that_one_is_taken():
    assert opening(stack_of([uniform(), with_row(uniform(), CLS, EYE)])) == (0, 1, CLS)


def test_a_patch_that_every_query_looks_at_is_a_sink_wherever_it_lies():
    late = [on_a_sink(at(3, 3)), with_row(uniform(), at(5, 5), EYE, mass=0.4)]
    assert opening(stack_of(late)) == (0, 1, at(5, 5))


def test_what_lies_together_is_taken_before_what_is_scattered():
    scattered = [at(0, 0), at(0, 5), at(2, 3), at(5, 1)]
    late = [with_row(uniform(), at(4, 4), scattered), with_row(uniform(), at(4, 4), EYE)]
    assert opening(stack_of(late)) == (0, 1, at(4, 4))


def test_a_query_that_looks_at_its_neighbours_shows_less_than_one_that_looks_away():
    beside = [at(3, 3), at(3, 4), at(4, 3), at(5, 5)]
    late = [with_row(uniform(), at(4, 4), beside), with_row(uniform(), at(4, 4), EYE, mass=0.5)]
    assert opening(stack_of(late)) == (0, 1, at(4, 4))


def test_of_a_head_that_is_chosen_only_the_query_is_looked_for():
    late = [uniform(), with_row(uniform(), at(4, 2), EYE)]
    early = [with_row(uniform(), at(0, 5), EYE), uniform()]
    assert opening(stack_of(early, late, late), (0, 0)) == (0, 0, at(0, 5))


def test_weights_that_show_nothing_open_on_a_head_that_there_is():
    nothing = torch.zeros(COUNT, COUNT)
    layer, head, query = opening(stack_of([nothing, nothing]))
    assert (layer, head) == (0, 0)
    assert 0 <= query < COUNT


def frames(count):
    units = numbered_units("frame", count)
    return replace(units, labels=tuple(f"{i / 50:.2f} s" for i in range(count)))


def test_a_sound_opens_where_words_look_at_it_and_on_a_word():
    words = replace(units_from_labels(["<start>", "Mr", "John"]), special=(True, False, False))
    looks = torch.full((3, 40), 1 / 40)
    looks[0] = torch.eye(40)[0]  # a special word, which would say little
    looks[2] = torch.eye(40)[31]
    record = ReportedLayer("cross", looks[None], UNVERIFIED)
    cross = Stack("cross", (record,), words, frames(40))
    own = Stack("decoder", (ReportedLayer("own", torch.eye(3)[None], UNVERIFIED),), words, words)
    listens = ReportedLayer("listens", torch.eye(40)[None], UNVERIFIED)
    hears = Stack("encoder", (listens,), frames(40), frames(40))
    stacks = {"encoder": hears, "decoder": own, "cross": cross}
    assert opening_stack(stacks) is cross
    assert opening(cross) == (0, 0, 2)
    assert opening_stack({"encoder": hears}) is hears
    assert opening_stack({"encoder": hears, "decoder": own}) is own
