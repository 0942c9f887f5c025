"""Which axis of an attention call is heads, windows, channels or the batch is read off the module."""

from __future__ import annotations

from collections import OrderedDict
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

import viz
from viz.inputs.units import Grid, patch_grid

WIDTH = 8

# How [batch, window, token, ...] and [batch, token, window, ...] are laid out for the kernel, and how
# its output is put back. Letters: b batch, w window, t token, h head, d channel of a head.
LAYOUTS = {
    "heads before windows": "bhwtd",
    "windows before heads": "bwhtd",
    "windows before the batch": "wbhtd",
    "windows in the batch": "(bw)htd",
    "heads in the batch": "(bh)wtd",
    "all in the batch": "(bwh)td",
    "heads first of all": "hbwtd",
}


def laid_out(x: torch.Tensor, have: str, want: str) -> torch.Tensor:
    """Lay axes out by letters; those in brackets become one."""
    flat = want.replace("(", "").replace(")", "")
    x = x.permute(*(have.index(letter) for letter in flat))
    sizes, at, group = [], 0, None
    for letter in want:
        if letter == "(":
            group = 1
        elif letter == ")":
            sizes.append(group)
            group = None
        else:
            size, at = x.shape[at], at + 1
            if group is None:
                sizes.append(size)
            else:
                group *= size
    return x.reshape(sizes)


class Windows(nn.Module):
    """Attention within windows; tokens lie window by window, or every n-th is of one window."""

    def __init__(self, layout, *, heads=2, windows=3, strided=False, says=True, alone=False):
        super().__init__()
        torch.manual_seed(0)
        self.qkv = nn.Linear(16, 3 * heads * WIDTH)
        self.out = nn.Linear(heads * WIDTH, 16)
        self.layout, self.sizes = layout, {"h": heads, "w": windows, "d": WIDTH}
        self.have = "btwchd" if strided else "bwtchd"
        self.alone = alone
        if says:
            self.num_heads = heads

    def split(self, x):
        sizes = {**self.sizes, "b": len(x), "c": 3, "t": x.shape[1] // self.sizes["w"]}
        return self.qkv(x).reshape([sizes[letter] for letter in self.have]), sizes

    def forward(self, x):
        split, sizes = self.split(x)
        at = self.have.index("c")
        have = self.have.replace("c", "")
        q, k, v = (laid_out(split.select(at, n), have, self.layout) for n in range(3))
        out = functional.scaled_dot_product_attention(q, k, v)
        if self.alone:
            return out
        flat = self.layout.replace("(", "").replace(")", "")
        out = out.reshape([sizes[letter] for letter in flat])
        back = have.replace("h", "").replace("d", "") + "hd"
        out = out.permute(*(flat.index(letter) for letter in back))
        return self.out(out.reshape(len(x), x.shape[1], -1))

    def account(self, x):
        """Who looks where, in float64: [batch, head, token, token]."""
        split, sizes = self.split(x)
        at = self.have.index("c")
        order = [self.have.replace("c", "").index(letter) for letter in "bhwtd"]
        q, k = (split.select(at, n).permute(*order).double() for n in (0, 1))
        weights = (q @ k.transpose(-1, -2) / WIDTH**0.5).softmax(-1)
        count = x.shape[1]
        whole = torch.zeros(len(x), sizes["h"], count, count, dtype=torch.double)
        number = torch.arange(count)
        if self.have.startswith("bt"):
            number = number.view(sizes["t"], sizes["w"]).T.reshape(-1)
        places = number.view(sizes["w"], sizes["t"])
        for window, mine in enumerate(places):
            whole[:, :, mine[:, None], mine[None]] = weights[:, :, window]
        return whole


def agrees(module: Windows, x: torch.Tensor, item: int) -> None:
    expected = module.account(x)[item]
    stack = viz.capture(viz.wrap_model(module.eval()), {"x": x}, item=item).stacks["self"]
    assert stack.heads(0) == len(expected)
    for head, pattern in enumerate(expected):
        torch.testing.assert_close(stack.weights(0, head).double(), pattern, atol=1e-6, rtol=0)
        assert torch.equal(stack.attended(0, head), pattern > 0)


@pytest.mark.parametrize("says", [True, False], ids=["says its heads", "says nothing"])
@pytest.mark.parametrize("strided", [False, True], ids=["blocks", "strided"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_are_no_heads_however_they_are_laid_out(layout, batch, strided, says):
    module = Windows(LAYOUTS[layout], strided=strided, says=says)
    x = torch.randn(batch, 12, 16, generator=torch.Generator().manual_seed(1))
    agrees(module, x, batch - 1)


@pytest.mark.parametrize(
    ("heads", "windows", "batch"), [*product((2, 3), (2, 3, 4), (1, 2, 3)), (4, 1, 1), (1, 3, 1)]
)
@pytest.mark.parametrize("layout", ["heads before windows", "windows before heads"])
def test_as_many_windows_as_heads_or_inputs_are_told_apart(layout, heads, windows, batch):
    module = Windows(LAYOUTS[layout], heads=heads, windows=windows, strided=True, says=False)
    x = torch.randn(batch, 24, 16, generator=torch.Generator().manual_seed(1))
    agrees(module, x, batch - 1)


def test_the_issues_example_shows_two_heads_of_twelve_by_twelve():
    class Units(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.num_heads = 2
            self.qkv = nn.Linear(16, 48)

        def forward(self, x):
            b = len(x)
            q, k, v = self.qkv(x).reshape(b, 3, 4, 3, 2, 8).permute(3, 0, 4, 1, 2, 5)
            out = functional.scaled_dot_product_attention(q, k, v)
            return out.permute(0, 2, 3, 1, 4).reshape(b, 12, 16)

    stack = viz.capture(viz.wrap_model(Units().eval()), {"x": torch.randn(1, 12, 16)}).stacks[
        "self"
    ]
    assert (stack.heads(0), len(stack.queries), len(stack.keys)) == (2, 12, 12)
    window = torch.arange(12) // 4
    assert torch.equal(stack.attended(0, 1), window[:, None] == window)


def test_a_part_that_says_its_heads_needs_not_put_them_back():
    module = Windows("bhwtd", heads=2, windows=3, alone=True)
    agrees(module, torch.randn(1, 12, 16), 0)


def test_axes_that_nothing_tells_apart_are_refused_with_their_shape():
    for says, windows in ((False, 3), (True, 2)):
        module = Windows("bhwtd", heads=2, windows=windows, says=says, alone=True).eval()
        with pytest.raises(viz.LoupeError, match=r"\(1, 2, \d, \d, 8\).*num_heads.*attention="):
            viz.capture(viz.wrap_model(module), {"x": torch.randn(1, 12, 16)})


class Grouped(nn.Module):
    """Grouped queries with the groups in an axis of their own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k = nn.Linear(16, 32), nn.Linear(16, 16)

    def forward(self, x):
        q = self.q(x).view(len(x), -1, 2, 2, 8).permute(0, 2, 3, 1, 4)
        k = self.k(x).view(len(x), -1, 2, 1, 8).permute(0, 2, 3, 1, 4)
        out = functional.scaled_dot_product_attention(q, k, k)
        return out.permute(0, 3, 1, 2, 4).flatten(2)


def test_groups_of_heads_are_heads():
    module, x = Grouped().eval(), torch.randn(1, 6, 16)
    stack = viz.capture(viz.wrap_model(module), {"x": x}).stacks["self"]
    q = module.q(x).view(6, 4, 8).transpose(0, 1)
    k = module.k(x).view(6, 2, 8).transpose(0, 1).repeat_interleave(2, dim=0)
    expected = (q @ k.transpose(1, 2) / 8**0.5).softmax(-1)
    for head in range(4):
        torch.testing.assert_close(stack.weights(0, head), expected[head], atol=1e-6, rtol=0)


class Channels(nn.Module):
    """XCiT's attention: channels of a head look at each other."""

    def __init__(self, *, kernel):
        super().__init__()
        torch.manual_seed(0)
        self.num_heads, self.kernel = 4, kernel
        self.qkv = nn.Linear(32, 96)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 4, 8).permute(2, 0, 3, 4, 1)
        if self.kernel:
            out = functional.scaled_dot_product_attention(q, k, v)
        else:
            out = (q @ k.transpose(-1, -2) * n**-0.5).softmax(-1) @ v
        return out.permute(0, 3, 1, 2).reshape(b, n, c)


@pytest.mark.parametrize("tokens", [12, 8], ids=["12 tokens", "as many tokens as channels"])
def test_channels_that_look_at_channels_written_out_are_refused_as_such(tokens):
    model = viz.wrap_model(Channels(kernel=False).eval())
    with pytest.raises(viz.LoupeError, match=r"channels.*no attention between tokens"):
        viz.capture(model, {"x": torch.randn(1, tokens, 32)})


@pytest.mark.parametrize("tokens", [12, 8], ids=["12 tokens", "as many tokens as channels"])
def test_channels_that_look_at_channels_are_called_channels(tokens):
    model = viz.wrap_model(Channels(kernel=True).eval())
    stack = viz.capture(model, {"x": torch.randn(1, tokens, 32)}).stacks["self"]
    assert stack.queries.labels == stack.keys.labels
    assert stack.queries.labels == tuple(f"channel {number}" for number in range(8))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attention = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x):
        return x + self.self_attention(x, x, x, need_weights=False)[0]


class Tower(nn.Module):
    """A vision transformer whose layers have names, as torchvision's do."""

    def __init__(self, name="encoder_layer_{}"):
        super().__init__()
        torch.manual_seed(0)
        self.conv_proj = nn.Conv2d(3, 32, 8, 8)
        self.class_token = nn.Parameter(torch.randn(1, 1, 32))
        layers = OrderedDict((name.format(number), Layer()) for number in range(3))
        self.encoder = nn.Sequential(layers)

    def forward(self, x):
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        return self.encoder(torch.cat([self.class_token.expand(len(x), -1, -1), patches], dim=1))


@pytest.mark.parametrize("name", ["encoder_layer_{}", "layer{}", "h_{}", "{}", "block_{}_of_all"])
def test_layers_with_names_are_one_stack(name):
    trace = viz.capture(viz.wrap_model(Tower(name).eval()), {"x": torch.randn(1, 3, 32, 24)})
    assert {n: s.layers for n, s in trace.stacks.items()} == {"self": 3}
    assert trace.stacks["self"].queries.labels[:2] == ("[CLS]", "0,0")
    assert patch_grid(trace.stacks["self"].keys) == Grid(1, 4, 3)
