"""What weighs something and is no attention between tokens, or cannot be told to be: said, never drawn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import viz
from tests.capture.test_hand_written_attention import WIDTH, Hand, Usual, all_heads


class Router(nn.Module):
    """Experts that a softmax chooses between, for every token."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.gate = nn.Linear(WIDTH, 4)
        self.experts = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])

    def forward(self, x):
        chosen = self.gate(x).softmax(-1)  # [batch, token, expert]
        made = torch.stack([expert(x) for expert in self.experts], dim=2)
        return (chosen[:, :, None] @ made)[:, :, 0]


class EinsumRouter(Router):
    def forward(self, x):
        made = torch.stack([expert(x) for expert in self.experts], dim=2)
        return torch.einsum("bne,bned->bnd", self.gate(x).softmax(-1), made)


class Channels(Hand):
    """XCiT's: channels of a head look at channels."""

    def forward(self, x):
        q, k, v = (t.mT for t in self.by_head(x))  # [batch, head, channel, token]
        weights = (q @ k.mT / 9).softmax(-1)
        return self.out((weights @ v).permute(0, 3, 1, 2).flatten(2))


class Averaging(nn.Module):
    """Mixes tokens by weights that it has learned, whatever the tokens are."""

    def __init__(self, tokens=12):
        super().__init__()
        self.mix, self.project = (
            nn.Parameter(torch.randn(tokens, tokens)),
            nn.Linear(WIDTH, WIDTH),
        )

    def forward(self, x):
        return self.mix.softmax(-1) @ self.project(x)


class Sigmoid(Hand):
    def forward(self, x):
        q, k, v = self.by_head(x)
        return self.join(torch.sigmoid(q @ k.mT - 2) @ v)


class Linear(Hand):
    def forward(self, x):
        q, k, v = self.by_head(x)
        return self.join(q.softmax(-1) @ (k.softmax(-2).mT @ v))


class Talking(Hand):
    """Weights mixed over heads after the softmax."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, x):
        q, k, v = self.by_head(x)
        return self.join(self.mix((q @ k.mT).softmax(-1)) @ v)


class Sinking(Hand):
    """A logit that is nobody's takes part in the softmax and is cut off."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        scores = nn.functional.pad(q @ k.mT, (1, 0))
        return self.join(scores.softmax(-1)[..., 1:] @ v)


class Differential(Hand):
    """What one softmax weighs, less what another does."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        one, other = (q @ k.mT).softmax(-1), (k @ q.mT).softmax(-1)
        return self.join(one @ v - 0.3 * (other @ v))


class Twice(Hand):
    """Weighs what is weighed already."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        few = q[:, :, ::3]
        far = (few @ k.mT).softmax(-1) @ v
        return self.join((q @ few.mT).relu() @ far)


NONE = [
    (Router, "experts"),
    (EinsumRouter, "experts"),
    (Channels, "channels"),
    (Averaging, "no token"),
    (Sigmoid, "sigmoid"),
    (Linear, "linear attention"),
    (Talking, "mixed over heads"),
    (Sinking, "changes its softmax"),
    (Differential, "side by side"),
    (Twice, "two hops"),
]


@pytest.mark.parametrize(("kind", "said"), NONE)
@pytest.mark.parametrize("tokens", [8, 12])
def test_what_is_no_attention_between_tokens_is_refused_in_words(kind, said, tokens):
    module = (kind(tokens) if kind is Averaging else kind()).eval()
    with pytest.raises(viz.LoupeError, match=f"no softmax attention.*{said}"):
        viz.capture(viz.wrap_model(nn.Sequential(module)), {"input": torch.randn(1, tokens, WIDTH)})


def captured(module):
    x = torch.randn(1, 12, WIDTH)
    with torch.inference_mode():
        module(x)
    return viz.capture(viz.wrap_model(module), {"input": x})


@pytest.mark.parametrize("kind", [Router, EinsumRouter, Channels, Averaging, Sigmoid, Linear])
def test_what_stands_beside_attention_is_no_layer_of_it(kind):
    attending = Usual()
    module = nn.Sequential(attending, kind()).eval()
    stacks = captured(module).stacks
    assert [s.record(n).name for s in stacks.values() for n in range(s.layers)] == ["0"]
    torch.testing.assert_close(all_heads(stacks["self"]), attending.seen, atol=1e-5, rtol=0)


class Pooling(Hand):
    """A few learned queries look at the tokens."""

    def __init__(self, queries):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, queries, WIDTH))

    def forward(self, x):
        q, k, v = self.by_head(self.queries, x)
        weights = (q @ k.mT).softmax(-1)
        self.note(weights[0])
        return self.join(weights @ v)


@pytest.mark.parametrize("queries", [1, 4])
def test_learned_queries_look_at_tokens_and_are_none(queries):
    module = Pooling(queries).eval()
    stack = next(iter(captured(nn.Sequential(module)).stacks.values()))
    assert (len(stack.queries), len(stack.keys)) == (queries, 12)
    torch.testing.assert_close(all_heads(stack), module.seen, atol=1e-5, rtol=0)


def test_as_many_learned_queries_as_tokens_are_not_drawn_as_tokens():
    module = nn.Sequential(Pooling(12)).eval()
    with pytest.raises(viz.LoupeError, match=r"queries come from no token.*attention=\{'0'"):
        viz.capture(viz.wrap_model(module), {"input": torch.randn(1, 12, WIDTH)})
