"""Attention written by hand, whose axes nothing names: found by what it does, or refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import viz

WIDTH = 24
TOLERANCE = 1e-5


class Hand(nn.Module):
    """Projections without a number of heads; subclasses attend as they like, and note the truth.

    `seen` is [head, query, key] of the first input, by hand.
    """

    def __init__(self, heads=3, kv_heads=None):
        super().__init__()
        torch.manual_seed(3)
        self.cut = heads, kv_heads or heads
        d = WIDTH // heads
        self.to_q = nn.Linear(WIDTH, WIDTH)
        self.to_k, self.to_v = (nn.Linear(WIDTH, d * self.cut[1]) for _ in range(2))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.seen = None

    def by_head(self, x, context=None):
        context = x if context is None else context
        heads, kv = self.cut
        q = self.to_q(x).unflatten(-1, (heads, -1)).transpose(1, 2)
        k, v = (p(context).unflatten(-1, (kv, -1)).transpose(1, 2) for p in (self.to_k, self.to_v))
        return q / q.shape[-1] ** 0.5, k, v

    def join(self, mixed):
        return self.out(mixed.transpose(1, 2).flatten(2))

    def note(self, weights):
        self.seen = weights.detach()
        return weights


class Usual(Hand):
    def forward(self, x):
        q, k, v = self.by_head(x)
        weights = (q @ k.mT).softmax(-1)
        self.note(weights[0])
        return self.join(weights @ v)


class Folded(Hand):
    """Heads folded into the batch, as torch.bmm takes them."""

    def forward(self, x):
        q, k, v = (t.flatten(0, 1) for t in self.by_head(x))
        weights = torch.bmm(q, k.mT).softmax(-1)
        self.note(weights[: self.cut[0]])
        return self.join(torch.bmm(weights, v).unflatten(0, (len(x), -1)))


class HeadsLast(Hand):
    """Axes in an order of its own: [batch, query, key, head], and the softmax over another than the last."""

    def forward(self, x):
        q, k, v = (t.transpose(1, 2) for t in self.by_head(x))
        weights = torch.einsum("bqhd,bkhd->bqkh", q, k).softmax(2)
        self.note(weights[0].permute(2, 0, 1))
        return self.out(torch.einsum("bqkh,bkhd->bqhd", weights, v).flatten(2))


class KeysFirst(Hand):
    """The softmax over keys that stand before queries, values on the left."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        weights = (k @ q.mT).softmax(-2)  # [batch, head, key, query]
        self.note(weights[0].mT)
        return self.join((v.mT @ weights).mT)


class Shared(Hand):
    """One head of keys and values for all heads of queries."""

    def __init__(self):
        super().__init__(4, 1)

    def forward(self, x):
        q, k, v = self.by_head(x)
        weights = torch.einsum("bhqd,bkd->bhqk", q, k[:, 0]).softmax(-1)
        self.note(weights[0])
        return self.join(torch.einsum("bhqk,bkd->bhqd", weights, v[:, 0]))


class Grouped(Hand):
    """Five dimensions: groups of heads share keys and values."""

    def __init__(self):
        super().__init__(4, 2)

    def forward(self, x):
        q, k, v = self.by_head(x)
        q = q.unflatten(1, (2, 2))
        weights = torch.einsum("bgrqd,bgkd->bgrqk", q, k).softmax(-1)
        self.note(weights[0].flatten(0, 1))
        return self.join((weights @ v[:, :, None]).flatten(1, 2))


class One(Hand):
    """One head, and no axis for it."""

    def __init__(self):
        super().__init__(1)

    def forward(self, x):
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)
        weights = (q @ k.mT / 5).softmax(-1)
        self.note(weights[:1])
        return self.out(weights @ v)


class Additive(Hand):
    """A mask that is added, with positions in the scores."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        n = x.shape[1]
        mask = torch.full((n, n), -torch.inf).triu(1)
        slopes = torch.arange(n)[None] * torch.tensor([0.5, 0.25, 0.125]).view(3, 1, 1)
        weights = functional.softmax(q @ k.mT + mask + slopes, dim=-1, dtype=torch.float32)
        self.note(weights[0])
        return self.join(weights.type_as(v) @ v)


class Exponentials(Hand):
    """No call of a softmax: exponentials, a mask, and a division."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        scores = q @ k.mT
        e = torch.exp(scores - scores.amax(-1, keepdim=True)).tril()
        weights = e / e.sum(-1, keepdim=True)
        self.note(weights[0])
        return self.join(weights @ v)


class DividedLast(Hand):
    """The division after the product, as fast kernels do it."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        e = (q @ k.mT).exp()
        self.note((e / e.sum(-1, keepdim=True))[0])
        return self.join((e @ v) / e.sum(-1, keepdim=True))


class HeadByHead(Hand):
    """A loop over heads, laid side by side."""

    def forward(self, x):
        q, k, v = self.by_head(x)
        heads, seen = [], []
        for h in range(q.shape[1]):
            weights = (q[:, h] @ k[:, h].mT).softmax(-1)
            seen.append(weights[0])
            heads.append(weights @ v[:, h])
        self.note(torch.stack(seen))
        return self.out(torch.cat(heads, dim=-1))


class Windows(Hand):
    """Windows of every third token, which it cuts by itself."""

    def forward(self, x):
        cut = x.unflatten(1, (-1, 3)).transpose(1, 2)  # [batch, window, token, channel]
        q, k, v = self.by_head(cut.flatten(0, 1))
        weights = (q @ k.mT).softmax(-1)
        n = x.shape[1]
        self.seen = torch.zeros(3, n, n)
        for window in range(3):
            self.seen[:, window::3, window::3] = weights[window].detach()
        mixed = self.join(weights @ v).unflatten(0, (len(x), 3))
        return mixed.transpose(1, 2).flatten(1, 2)


class Part(nn.Module):
    """What only weighs: the oldest way to write it."""

    def forward(self, q, k, v):
        weights = (q @ k.mT).softmax(-1)
        return weights @ v, weights


class Parted(Hand):
    """Attention in a part that sees heads alone, and no projection."""

    def __init__(self):
        super().__init__()
        self.attend = Part()

    def forward(self, x):
        mixed, weights = self.attend(*self.by_head(x))
        self.note(weights[0])
        return self.join(mixed)


class RelativelyBiased(Hand):
    """A learned bias for every pair of places, and queries that are normed by head."""

    def __init__(self):
        super().__init__()
        self.norm, self.bias = nn.LayerNorm(8), nn.Parameter(torch.randn(3, 120, 120))

    def forward(self, x):
        q, k, v = self.by_head(x)
        n = x.shape[1]
        weights = (self.norm(q) @ self.norm(k).mT + self.bias[:, :n, :n]).softmax(-1)
        self.note(weights[0])
        return self.join(weights @ v)


class Parametric(Hand):
    """Projections that are parameters, in einsums of their own."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 3, WIDTH, 8) / 5)

    def forward(self, x):
        q, k, v = torch.einsum("bnc,thcd->tbhnd", x, self.w)
        weights = torch.einsum("bhid,bhjd->bhij", q, k).softmax(dim=-1)
        self.note(weights[0])
        return self.join(torch.einsum("bhij,bhjd->bhid", weights, v))


class Gated(Hand):
    """Heads that a gate of their own lets through."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, 3)

    def forward(self, x):
        q, k, v = self.by_head(x)
        weights = (q @ k.mT).softmax(-1)
        self.note(weights[0])
        return self.join((weights @ v) * self.gate(x).sigmoid().mT[..., None])


KINDS = [
    *(Usual, Folded, HeadsLast, KeysFirst, Shared, Grouped, One, Additive, Exponentials),
    *(DividedLast, HeadByHead, Windows, Parted, RelativelyBiased, Parametric, Gated),
]


def shown(module, x, **options):
    with torch.inference_mode():
        expected = module(x)
    trace = viz.capture(viz.wrap_model(module.eval()), {"x": x}, **options)
    torch.testing.assert_close(trace.output, expected[options.get("item", 0)], atol=1e-5, rtol=0)
    return trace


def all_heads(stack, layer=0):
    return torch.stack([stack.weights(layer, head) for head in range(stack.heads(layer))])


@pytest.mark.parametrize("tokens", [6, 15, 120])
@pytest.mark.parametrize("kind", KINDS)
def test_heads_are_told_by_what_they_do(kind, tokens):
    module = kind()
    trace = shown(module, torch.randn(1, tokens, WIDTH))
    stack = trace.stacks["self"]
    assert stack.layers == 1
    torch.testing.assert_close(all_heads(stack), module.seen, atol=TOLERANCE, rtol=0)
    assert trace.unshown == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_item_of_a_batch_is_its_own(kind):
    module, x = kind(), torch.randn(3, 12, WIDTH)
    trace = shown(module, x, item=2)
    with torch.inference_mode():
        module(x[2:])
    seen = module.seen
    torch.testing.assert_close(all_heads(trace.stacks["self"]), seen, atol=TOLERANCE, rtol=0)


class Whole(nn.Module):
    """A model of parts of one kind, whose layers are layers."""

    def __init__(self, kind):
        super().__init__()
        self.layers = nn.ModuleList([kind(), kind()])
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(self.norm(x))
        return x


@pytest.mark.parametrize("kind", KINDS)
def test_layers_behind_each_other_are_those_of_one_model(kind):
    module = Whole(kind)
    stack = shown(module, torch.randn(1, 12, WIDTH)).stacks["self"]
    assert stack.layers == 2
    for number, part in enumerate(module.layers):
        torch.testing.assert_close(all_heads(stack, number), part.seen, atol=TOLERANCE, rtol=0)


class AllInOne(nn.Module):
    """Two layers in one forward, as functions."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.qkv = nn.ModuleList([nn.Linear(WIDTH, 3 * WIDTH) for _ in range(2)])
        self.seen = []

    def forward(self, x):
        self.seen = []
        for project in self.qkv:
            q, k, v = project(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
            weights = (q @ k.mT).softmax(-1)
            self.seen.append(weights[0].detach())
            x = x + (weights @ v).transpose(1, 2).flatten(2)
        return x


def test_two_layers_in_one_forward_are_two_layers():
    module = AllInOne()
    stack = shown(module, torch.randn(1, 9, WIDTH)).stacks["self"]
    assert stack.layers == 2
    for number, seen in enumerate(module.seen):
        torch.testing.assert_close(all_heads(stack, number), seen, atol=TOLERANCE, rtol=0)


class Remembering(Hand):
    """Learned keys and values stand before those of the tokens."""

    def __init__(self):
        super().__init__()
        self.memory = nn.Parameter(torch.randn(2, 1, 3, 4, 8))

    def forward(self, x):
        q, k, v = self.by_head(x)
        k, v = (
            torch.cat([m.expand(len(x), -1, -1, -1), t], dim=2)
            for m, t in zip(self.memory, (k, v), strict=True)
        )
        weights = (q @ k.mT).softmax(-1)
        self.note(weights[0])
        return self.join(weights @ v)


def test_keys_of_a_parts_own_are_columns():
    module = Remembering()
    stack = shown(module, torch.randn(1, 9, WIDTH)).stacks["self"]
    assert (len(stack.queries), len(stack.keys)) == (9, 13)
    torch.testing.assert_close(all_heads(stack), module.seen, atol=TOLERANCE, rtol=0)


class Crossing(Hand):
    """Looks at another sequence, which may be as long as its own."""

    def forward(self, x, context):
        q, k, v = self.by_head(x, context)
        weights = (q @ k.mT).softmax(-1)
        self.note(weights[0])
        return self.join(weights @ v)


@pytest.mark.parametrize("keys", [1, 5, 9])
def test_queries_and_keys_of_two_sequences_are_told(keys):
    module = Crossing().eval()
    given = {"x": torch.randn(1, 9, WIDTH), "context": torch.randn(1, keys, WIDTH)}
    with torch.inference_mode():
        module(**given)
    stack = next(iter(viz.capture(viz.wrap_model(module), given).stacks.values()))
    assert (len(stack.queries), len(stack.keys)) == (9, keys)
    torch.testing.assert_close(all_heads(stack), module.seen, atol=TOLERANCE, rtol=0)


class Unprojected(nn.Module):
    """Channels cut into heads as they come, so that nothing tells heads from windows."""

    def forward(self, x):
        heads = x.unflatten(-1, (3, 8)).transpose(1, 2)
        weights = (heads @ heads.mT / 3).softmax(-1)
        return (weights @ heads).transpose(1, 2).flatten(2)


def test_where_two_readings_are_possible_the_attribute_that_helps_is_named():
    x = torch.randn(1, 9, WIDTH)
    whole = nn.Sequential(Unprojected()).eval()
    with pytest.raises(viz.LoupeError, match=r"1 x 3 x 9 x 9.*Set `num_heads` on 0.*attention=\{"):
        viz.capture(viz.wrap_model(whole), {"input": x})
    whole[0].num_heads = 3
    heads = x.unflatten(-1, (3, 8)).transpose(1, 2)
    expected = (heads @ heads.mT / 3).softmax(-1)[0]
    stack = viz.capture(viz.wrap_model(whole), {"input": x}).stacks["self"]
    torch.testing.assert_close(all_heads(stack), expected, atol=TOLERANCE, rtol=0)


class Grid(Windows):
    """Runs of neighbours, as blocks of a picture are; behind windows of every third token."""

    def forward(self, x):
        n = x.shape[1]
        cut = x.unflatten(1, (3, -1))
        q, k, v = self.by_head(cut.flatten(0, 1))
        weights = (q @ k.mT).softmax(-1)
        self.seen = torch.zeros(3, n, n)
        for window in range(3):
            run = slice(window * n // 3, (window + 1) * n // 3)
            self.seen[:, run, run] = weights[window].detach()
        return self.join(weights @ v).unflatten(0, (len(x), 3)).flatten(1, 2)


class BlockThenGrid(nn.Module):
    """Two kinds of windows in one forward: of what the first has mixed, every window of the second has some."""

    def __init__(self):
        super().__init__()
        self.blocks, self.grid = Grid(), Windows()

    def forward(self, x):
        return Windows.forward(self.grid, x + Grid.forward(self.blocks, x))


@pytest.mark.parametrize("whole", [BlockThenGrid, lambda: nn.Sequential(Grid(), Windows())])
def test_windows_behind_windows_are_windows_and_no_heads(whole):
    module = whole().eval()
    parts = list(module.children())
    x = torch.randn(1, 9, WIDTH)
    name = "x" if isinstance(module, BlockThenGrid) else "input"
    with torch.inference_mode():
        module(x)
    stacks = viz.capture(viz.wrap_model(module), {name: x}).stacks
    shown_layers = [all_heads(s, n) for s in stacks.values() for n in range(s.layers)]
    # In one forward, nothing that a part is given says in which order the second windows were cut.
    assert len(shown_layers) == (1 if isinstance(module, BlockThenGrid) else 2)
    for mine, part in zip(shown_layers, parts, strict=False):
        torch.testing.assert_close(mine, part.seen, atol=TOLERANCE, rtol=0)
