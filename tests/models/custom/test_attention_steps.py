"""Every step of attention, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.reference.attention import plain_weights
from viz.errors import ConfigError, ShapeError
from viz.models.custom import Attention
from viz.models.custom import attention_steps as steps
from viz.models.custom import textbook_attention as textbook
from viz.models.custom.attention_masks import causal_mask, join_masks, padding_mask, window_mask

X = torch.tensor(textbook.EXAMPLE_TOKENS, dtype=torch.float64)
W_Q, W_K, W_V = (
    torch.tensor(matrix, dtype=torch.float64)
    for matrix in (textbook.EXAMPLE_QUERY, textbook.EXAMPLE_KEY, textbook.EXAMPLE_VALUE)
)


def close(found, expected):
    torch.testing.assert_close(
        found, torch.as_tensor(expected, dtype=found.dtype), atol=1e-12, rtol=0
    )


def test_the_textbook_example_comes_out_as_by_hand():
    """X = [[1,0,1],[0,1,0],[1,1,1]], W_Q all ones: worked with pencil and paper.

    Every query is its token's sum three times, so that every score is that sum times the sum of the
    key: token sums 2, 1, 3; keys [2,1,2], [0,1,0], [2,2,2] with sums 5, 1, 6.
    """
    one = textbook.from_matrices(W_Q, W_K, W_V).steps(X)
    close(one.query[0], [[2, 2, 2], [1, 1, 1], [3, 3, 3]])
    close(one.key[0], [[2, 1, 2], [0, 1, 0], [2, 2, 2]])
    close(one.value[0], [[2, 2, 1], [0, 1, 1], [2, 3, 2]])
    close(one.scores[0], [[10, 2, 12], [5, 1, 6], [15, 3, 18]])
    close(one.scaled[0], np.array([[10, 2, 12], [5, 1, 6], [15, 3, 18]]) / math.sqrt(3))
    # e^(-2/sqrt 3) = 0.3151..., and so on: each row against its own greatest score.
    a, b = math.exp(-2 / math.sqrt(3)), math.exp(-10 / math.sqrt(3))
    c, d = math.exp(-1 / math.sqrt(3)), math.exp(-5 / math.sqrt(3))
    e, f = math.exp(-3 / math.sqrt(3)), math.exp(-15 / math.sqrt(3))
    rows = [[a, b, 1], [c, d, 1], [e, f, 1]]
    weights = [[number / sum(row) for number in row] for row in rows]
    close(one.weights[0], weights)
    output = [[2 * (p + r), 2 * p + q + 3 * r, p + q + 2 * r] for p, q, r in weights]
    close(one.heads[0], output)
    close(one.output, output)
    # And to four places, as one would write it down.
    rounded = [[0.2391, 0.0024, 0.7586], [0.3471, 0.0345, 0.6184], [0.1503, 0.0001, 0.8495]]
    assert one.weights[0].numpy().round(4).tolist() == rounded
    final = [[1.9953, 2.7562, 1.7586], [1.931, 2.5839, 1.6184], [1.9997, 2.8494, 1.8495]]
    assert one.output.numpy().round(4).tolist() == final


def test_the_kernel_gives_the_same_for_the_textbook_example():
    attention = textbook.from_matrices(W_Q, W_K, W_V)
    close(attention(X)[0], attention.steps(X).output)


def test_joined_heads_are_what_was_split():
    tokens = torch.randn(2, 5, 12)
    heads = steps.split_heads(tokens, 3)
    assert heads.shape == (2, 3, 5, 4)
    assert torch.equal(heads[1, 2, 3], tokens[1, 3, 8:])
    assert torch.equal(steps.join_heads(heads), tokens)


def test_additive_scores_are_a_small_network_for_every_pair():
    query, key, vector = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 4)
    scores = steps.additive_scores(query, key, vector)
    for head in range(2):
        for q in range(3):
            for k in range(5):
                hidden = [
                    math.tanh(a + b) for a, b in zip(query[head, q], key[head, k], strict=True)
                ]
                expected = sum(float(v) * h for v, h in zip(vector[head], hidden, strict=True))
                assert float(scores[head, q, k]) == pytest.approx(expected, abs=1e-6)


def test_a_row_that_may_look_at_nothing_is_zero_and_so_is_its_gradient():
    scores = torch.randn(1, 3, 4, requires_grad=True)
    allowed = torch.ones(3, 4, dtype=torch.bool)
    allowed[1] = False
    weights = steps.softmax(steps.mask_scores(scores, allowed))
    assert weights[0].sum(-1).tolist() == pytest.approx([1, 0, 1])
    weights.square().sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[0, 1] == 0).all()


def test_weights_are_those_of_the_plain_reference():
    attention = Attention(12, 3, causal=True).double().eval()
    x = torch.randn(7, 12, dtype=torch.float64)
    one = attention.steps(x)
    for head in range(3):
        expected = plain_weights(
            one.query[head].detach().numpy(),
            one.key[head].detach().numpy(),
            scale=4**-0.5,
            allowed=np.tri(7, dtype=bool),
        )
        close(one.weights[head].detach(), expected)


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({}, 4**-0.5),
        ({"scaled": False}, 1.0),
        ({"temperature": 2.0}, 4**-0.5 / 2),
        ({"scores": "additive"}, 1.0),
        ({"scores": "additive", "scaled": True}, 4**-0.5),
        ({"d_head": 9}, 1 / 3),
    ],
)
def test_the_scale_is_what_the_options_say(options, scale):
    attention = Attention(12, 3, **options).eval()
    assert attention.scale == pytest.approx(scale)
    one = attention.steps(torch.randn(5, 12))
    torch.testing.assert_close(one.scaled, one.scores * scale)


def test_dropout_leaves_out_weights_in_training_alone():
    attention = Attention(8, 2, dropout=0.5)
    x = torch.randn(1, 64, 8)
    one = attention.train().steps(x)
    assert 0.4 < float((one.dropped == 0).float().mean()) < 0.6
    kept = one.dropped > 0
    torch.testing.assert_close(one.dropped[kept], 2 * one.weights[kept])
    assert not torch.equal(attention(x)[0], attention(x)[0])
    attention.eval()
    assert torch.equal(attention.steps(x).dropped, attention.steps(x).weights)
    assert torch.equal(attention(x)[0], attention(x)[0])


def test_masks_join_to_one():
    causal, window = causal_mask(4, 4), window_mask(4, 4, 2)
    present = padding_mask(torch.tensor([[1, 1, 1, 0]]))
    joined = join_masks([causal, None, window, present])
    assert joined.shape == (1, 1, 4, 4)
    assert joined[0, 0].int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]
    added = join_masks([causal, torch.full((4, 4), 0.5)])
    assert added[2].tolist() == [0.5, 0.5, 0.5, -torch.inf]
    assert join_masks([None, None]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 3), "The width 10 is not divisible by 3 heads. Choose 1, 2 or 5 heads"),
        (
            (12, 4, {"kv_heads": 3}),
            "4 heads cannot share 3 key-value heads evenly. Choose 1, 2 or 4",
        ),
        ((0, 1), "The option d_model is 0. Choose 1 to"),
        ((12, -2), "The option heads is -2."),
        ((12, 2.0), r"The option heads is a float \(2.0\). Give a whole number."),
        ((12, True), "The option heads is a bool"),
        ((9, 3, {"rotary": True}), "a head is 3 wide. Choose an even width"),
        ((12, 3, {"dropout": 1.0}), "The option dropout is 1.0. Choose a share"),
        ((12, 3, {"temperature": 0}), "The option temperature is 0. Choose a number above 0."),
        ((12, 3, {"temperature": math.nan}), "The option temperature is nan."),
        (
            (12, 3, {"scores": "cosine"}),
            "'cosine', which is none that there is. Choose dot or additive",
        ),
        ((12, 3, {"fused": True, "kdim": 5}), r"tokens of width \[12, 5, 5\]. Use separate"),
        ((12, 3, {"fused": True, "projections": False}), "and no projections. Use separate"),
        ((12, 3, {"projections": False, "d_head": 5}), "Without projections"),
        ((12, 3, {"scaled": "no"}), "The option scaled is 'no'. Give True or False."),
        ((12, 3, {"causal": "yes"}), "The option causal is 'yes'."),
        ((12, 3, {"bias": None}), "The option bias is None."),
        ((12, 3, {"rotary": 1}), "The option rotary is 1."),
    ],
)
def test_options_that_do_not_fit_are_said(arguments, message):
    *counts, options = (*arguments, {}) if len(arguments) == 2 else arguments
    with pytest.raises(ConfigError, match=message):
        Attention(*counts, **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query": (2, 5, 9)}, r"The query has shape \(2, 5, 9\). Give \[batch, token, 12\]"),
        ({"query": (12,)}, r"The query has shape \(12,\)"),
        ({"query": (2, 5, 12), "key": (3, 5, 12)}, "do not belong together. Give one batch"),
        ({"query": (2, 5, 12), "key": (2, 5, 12), "value": (2, 4, 12)}, "as many values as keys"),
        (
            {"query": (2, 5, 12), "mask": (4, 5)},
            r"\(4, 5\), which does not broadcast to the scores",
        ),
        ({"query": (2, 5, 12), "present": (2, 4)}, r"has shape \(2, 4\). Give \[batch, key\]"),
    ],
)
def test_tensors_that_do_not_fit_are_said(given, message):
    attention = Attention(12, 3)
    tensors = {name: torch.ones(shape) for name, shape in given.items()}
    with pytest.raises(ShapeError, match=message):
        attention(**tensors)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([[1.0] * 12], r"The query is a list. Give a torch.Tensor."),
        (torch.ones(2, 5, 12, dtype=torch.float64), r"of float64, .* Give .to\(torch.float32\)"),
        (torch.ones(2, 5, 12, dtype=torch.int64), r"of int64, .* Give .to\(torch.float32\)"),
    ],
)
@pytest.mark.parametrize("projections", [True, False])
def test_what_is_no_tensor_of_the_right_kind_is_said(query, message, projections):
    if not projections and not isinstance(query, list) and query.is_floating_point():
        return  # nothing is multiplied with weights of another kind
    with pytest.raises(ShapeError, match=message):
        Attention(12, 3, projections=projections, output_projection=False)(query)


def test_autocast_reads_what_it_converts_itself():
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = Attention(12, 3)(torch.ones(2, 5, 12, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16


def test_a_mask_of_whole_numbers_is_refused_because_its_meaning_is_doubtful():
    with pytest.raises(ShapeError, match=r"The mask is of int64; .* Give mask.bool\(\)"):
        Attention(12, 3)(torch.ones(1, 4, 12), mask=torch.ones(4, 4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((3, 4), (3, 5), (3, 3)), {}, "W_Q makes queries of width 4 and W_K keys of width 5"),
        (
            ((3, 3), (3, 3), (3, 3)),
            {"heads": 2},
            "W_Q, W_K and W_V have 3 columns, which 2 heads cannot share equally. Choose 1 or 3 heads.",
        ),
        (
            ((3, 4), (3, 4), (3, 3)),
            {"heads": 2},
            "W_Q has 4, W_K has 4, W_V has 3 columns, which 2 heads cannot share equally. Choose 1 head.",
        ),
        (((3,), (3, 4), (3, 4)), {}, r"W_Q has shape \(3,\)"),
        (((3, 4), (3, 4), (3, 4), (3, 3)), {}, r"W_O has shape \(3, 3\). Give \[4, 3\]"),
    ],
)
def test_matrices_that_do_not_fit_are_said(shapes, options, message):
    with pytest.raises(ShapeError, match=message):
        textbook.from_matrices(*map(torch.ones, shapes), **options)
