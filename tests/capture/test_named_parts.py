"""Attention that only its author knows, and tells by a function."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn

import viz
from tests.capture.modules import X, by_head


class Own(nn.Module):
    """Attention written out by hand, without a softmax."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)

    def heads(self, x):
        return by_head(self.qkv, x)

    def forward(self, x):
        q, k, v = self.heads(x)
        weights = torch.exp(q @ k.transpose(-1, -2) * 0.3)
        weights = weights / weights.sum(-1, keepdim=True)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


def explained(scale):
    def explain(part, args, kwargs):
        q, k, v = part.heads(args[0])
        return viz.Attention(q, k, v, scale=scale, finish=part.out)

    return explain


def test_a_part_that_the_user_explains_is_seen_and_checked():
    module = nn.Sequential(Own(), nn.ReLU(), Own()).eval()
    with torch.inference_mode():
        q, k, _ = module[0].heads(X)
        expected, output = (q @ k.transpose(-1, -2) * 0.3).softmax(-1), module(X)
    model = viz.wrap_model(module, attention={"[02]": explained(0.3)})
    trace = viz.capture(model, {"input": X}, item=1)
    stack = trace.stacks["self"]
    assert (stack.layers, stack.provenance(0).tier) == (2, "hooks")
    torch.testing.assert_close(stack.weights(0, 3), expected[1, 3], atol=1e-6, rtol=0)
    assert torch.equal(trace.output, output[1])


def test_a_wrong_explanation_is_refused():
    model = viz.wrap_model(nn.Sequential(Own()), attention={"0": explained(0.5)})
    with pytest.raises(viz.LoupeError, match="Layer 0 failed its check"):
        viz.capture(model, {"input": X}, item=0)


def test_a_name_that_no_part_has_is_said_with_those_that_there_are():
    with pytest.raises(viz.LoupeError, match=r"no part named 'blocks.\*'.*named like 0"):
        viz.wrap_model(nn.Sequential(Own()), attention={"blocks.*": explained(0.3)})


def told(**changes):
    """An explanation of `Own` in which something is changed."""

    def explain(part, args, kwargs):
        q, k, v = part.heads(args[0])
        right = {"query": q, "key": k, "value": v, "scale": 0.3, "finish": part.out}
        return viz.Attention(**{**right, **changes})

    return explain


def raises(part, args, kwargs):
    return kwargs["hidden"]


MANY = torch.zeros(2, 4, 11, 8)


@pytest.mark.parametrize(
    ("explain", "message"),
    [
        (raises, r"has for 0 failed: KeyError: 'hidden'.*function\(part, args, kwargs\)"),
        (lambda part, args, kwargs: 1 / 0, "failed: ZeroDivisionError"),
        (lambda part, args: None, "failed: TypeError.*3 were given"),
        (lambda part, args, kwargs: None, "returned None"),
        (lambda part, args, kwargs: part.heads(args[0]), "returned a Tensor"),
        (told(query=5), "query that attention= tells of 0 is an int"),
        (told(key=MANY[0]), r"key that attention= tells of 0 is \(4, 11, 8\)"),
        (told(key=MANY[..., :3]), "does not fit together"),
        (told(value=MANY[:, :, :7]), "does not fit together"),
        (told(mask=torch.ones(3, 3)), r"mask .* has shape \(3, 3\).*here \(2, 4, 11, 11\)"),
        (told(finish=nn.Linear(5, 5)), "finish that attention= has for 0 failed"),
        (told(finish=lambda heads: heads[..., :5]), "come 5 numbers a token, and it returned 32"),
        (told(finish=None), "failed its check.*`finish`"),
        (told(scale=0.5), "failed its check.*look at the scale"),
    ],
)
def test_what_is_wrong_with_an_explanation_is_said(explain, message):
    model = viz.wrap_model(nn.Sequential(Own()), attention={"0": explain})
    with pytest.raises(viz.LoupeError, match=message):
        viz.capture(model, {"input": X}, item=0)


def test_masks_of_an_explanation_may_have_any_dimensions_that_broadcast():
    class Looking(Own):
        def forward(self, x):
            q, k, v = self.heads(x)
            weights = torch.exp(q @ k.transpose(-1, -2) * 0.3).tril()
            return self.out(
                (weights / weights.sum(-1, keepdim=True) @ v).transpose(1, 2).flatten(2)
            )

    below = torch.ones(11, 11, dtype=torch.bool).tril()
    shown = []
    for mask in (below, below[None], below.expand(2, 4, 11, 11)):
        model = viz.wrap_model(nn.Sequential(Looking()), attention={"0": told(mask=mask)})
        shown.append(viz.capture(model, {"input": X}, item=1).stacks["self"].weights(0, 2))
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[0], shown[2])
    assert not shown[0].triu(1).any()


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (explained(0.3), "attention= was given is a function"),
        (["0"], "attention= was given is a list"),
        ({"0": 5}, "has for '0' is an int"),
        ({0.5: explained(0.3)}, "no part named 0.5"),
    ],
)
def test_explanations_are_functions_by_name(attention, message):
    with pytest.raises(viz.LoupeError, match=message):
        viz.wrap_model(nn.Sequential(Own()), attention=attention)


@pytest.mark.parametrize(
    ("pattern", "layers"),
    [("*", 1), ("blocks.*.attn", 2), ("**.attn", 3), ("blocks.**", None), ("*.*", None)],
)
def test_one_star_stays_between_dots_and_two_do_not(pattern, layers):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = Own()
            self.blocks = nn.ModuleList([nn.ModuleDict({"attn": Own()}) for _ in range(2)])

        def forward(self, x):
            for block in self.blocks:
                x = block["attn"](x)
            return self.attn(x)

    model = viz.wrap_model(Whole(), attention={pattern: explained(0.3)})
    if layers is None:
        with pytest.raises(viz.LoupeError, match=r"attn\.qkv failed: AttributeError"):
            viz.capture(model, {"x": X}, item=0)
        return
    stacks = viz.capture(model, {"x": X}, item=0).stacks
    tiers = [s.provenance(layer).tier for s in stacks.values() for layer in range(s.layers)]
    # What nobody explains is read off what it does.
    assert (tiers.count("hooks"), len(tiers)) == (layers, 3)


class OwnConfig(hf.PretrainedConfig):
    model_type = "own"
    vocab_size = 97


class OwnModel(hf.PreTrainedModel):
    """A model of the transformers library whose attention is not the library's."""

    config_class = OwnConfig
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__(config)
        self.embed, self.attn = nn.Embedding(97, 32), Own()
        self.post_init()

    def forward(self, input_ids):
        return (self.attn(self.embed(input_ids)),)


def test_a_transformers_model_may_be_explained_too():
    module = OwnModel(OwnConfig()).eval()
    ids = torch.randint(5, 97, (1, 9))
    with torch.inference_mode():
        q, k, _ = module.attn.heads(module.embed(ids))
        expected = (q @ k.transpose(-1, -2) * 0.3).softmax(-1)
    model = viz.wrap_model(module, attention={"attn": explained(0.3)})
    stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
    assert stack.provenance(0).tier == "hooks"
    torch.testing.assert_close(stack.weights(0, 1), expected[0, 1], atol=1e-6, rtol=0)
    unexplained = OwnModel(OwnConfig()).eval()
    found = viz.capture(viz.wrap_model(unexplained), {"input_ids": ids}).stacks["self"]
    torch.testing.assert_close(found.weights(0, 1), expected[0, 1], atol=1e-6, rtol=0)
