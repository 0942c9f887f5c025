"""Places are those of the inputs at hand: whatever chooses or orders patches is asked anew, or named."""

import pytest
import torch
import transformers as hf
from torch import nn

import viz

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 4,
}


def keys_of(model, given, **how):
    trace = viz.capture(model, given, **how)
    return next(iter(trace.stacks.values())).keys.labels


def test_pictures_of_another_shape_in_the_same_frame_have_their_own_places():
    model = viz.wrap_model(
        hf.PixtralVisionModel(hf.PixtralVisionConfig(**SMALL, image_size=24)).eval()
    )
    picture = torch.randn(1, 3, 24, 24)
    for high, wide in ((8, 12), (12, 8), (24, 4)):
        given = {"pixel_values": picture, "image_sizes": torch.tensor([[high, wide]])}
        places = [f"{row},{column}" for row in range(high // 4) for column in range(wide // 4)]
        assert list(keys_of(model, given)) == places


@pytest.mark.parametrize("item", [0, 1])
def test_patches_that_a_mask_keeps_are_those_of_the_item(item):
    config = hf.VideoMAEConfig(**SMALL, image_size=16, num_frames=4, tubelet_size=2)
    model = viz.wrap_model(hf.VideoMAEModel(config).eval())
    mask = torch.ones(2, 32, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for row in mask:
        row[torch.randperm(32, generator=generator)[:8]] = False
    given = {"pixel_values": torch.randn(2, 4, 3, 16, 16), "bool_masked_pos": mask}
    keys_of(model, given, item=1 - item)
    places = (~mask[item]).nonzero()[:, 0].tolist()
    expected = [f"frame {one // 16}: {one % 16 // 4},{one % 4}" for one in places]
    assert list(keys_of(model, given, item=item)) == expected


class Ordered(nn.Module):
    """Takes patches in an order that it is given, or that it holds."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cut = nn.Conv2d(3, 16, 4, 4)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.first = 0

    def forward(self, pixel_values, order=None):
        x = self.cut(pixel_values).flatten(2).mT
        return self.layer(x[:, slice(self.first, self.first + 3) if order is None else order])


@pytest.mark.parametrize("kind", [torch.tensor, list])
def test_an_order_that_is_given_counts_each_time(kind):
    model = viz.wrap_model(Ordered().eval())
    picture = torch.randn(1, 3, 8, 16)
    for order in ([0, 1, 2], [2, 5, 7]):
        given = {"pixel_values": picture, "order": kind(order)}
        assert list(keys_of(model, given)) == [f"{one // 4},{one % 4}" for one in order]


def test_an_order_that_a_module_holds_counts_each_time():
    model = viz.wrap_model(Ordered().eval())
    for first in (0, 4):
        model.module.first = first
        labels = keys_of(model, {"pixel_values": torch.randn(1, 3, 8, 16)})
        assert list(labels) == [f"{one // 4},{one % 4}" for one in range(first, first + 3)]


class Chosen(nn.Module):
    """Keeps the patches of the highest scores, or puts all in the order of them."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.how = how
        self.cut = nn.Conv2d(3, 16, 4, 4)
        self.score = nn.Linear(16, 1)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2).mT
        scores = self.score(x)[0, :, 0]
        kept = scores.argsort() if self.how == "sort" else scores.topk(4).indices.sort().values
        return self.layer(x[:, kept])


@pytest.mark.parametrize("how", ["sort", "topk"])
def test_an_order_by_content_is_called_so(how):
    trace = viz.capture(
        viz.wrap_model(Chosen(how).eval()), {"pixel_values": torch.randn(1, 3, 8, 16)}
    )
    stack = trace.stacks["self"]
    assert stack.keys.labels[:2] == ("unit 0", "unit 1")
    assert any("by their contents" in flag for flag in stack.provenance(0).flags)


class Fused(nn.Module):
    """Keeps the inner patches, and one token more that is the mean of those at the border."""

    def __init__(self, rows, columns):
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.norm = nn.Conv2d(3, 16, 4, 4), nn.LayerNorm(16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        inner = torch.zeros(rows, columns, dtype=torch.bool)
        inner[1:-1, 1:-1] = True
        self.inner, self.border = (one.flatten().nonzero()[:, 0] for one in (inner, ~inner))

    def forward(self, pixel_values):
        x = self.norm(self.cut(pixel_values).flatten(2).mT)
        mean = x[:, self.border].mean(1, keepdim=True)
        return self.layer(torch.cat([x[:, self.inner], mean], 1))


@pytest.mark.parametrize(("rows", "columns"), [(10, 10), (6, 7), (7, 6), (14, 14)])
def test_a_mean_of_many_patches_is_none_of_them(rows, columns):
    given = {"pixel_values": torch.randn(1, 3, 4 * rows, 4 * columns)}
    last = keys_of(viz.wrap_model(Fused(rows, columns).eval()), given)[-1]
    assert "," not in last
