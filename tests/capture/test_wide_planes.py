"""Planes of real width, merged again and again: each unit's place is that of the patch that moves it."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn

import viz
from viz.inputs.units import patch_grid

SMALL = {"depths": [1, 2, 2, 1], "num_heads": [1, 2, 4, 8]}

HIERA = {"embed_dim": 16, "depths": [1, 2, 3, 2], "num_heads": [1, 2, 4, 8]}

TOWERS = {
    "swin": (hf.SwinModel, hf.SwinConfig(**SMALL, embed_dim=16), 224),
    "swin, padded": (hf.SwinModel, hf.SwinConfig(**SMALL, embed_dim=16), 256),
    "swin v2": (hf.Swinv2Model, hf.Swinv2Config(**SMALL, embed_dim=16, window_size=8), 256),
    "hiera": (hf.HieraModel, hf.HieraConfig(**HIERA), 224),
    "hiera, wide": (hf.HieraModel, hf.HieraConfig(**HIERA, image_size=[288, 288]), 288),
    "donut": (hf.DonutSwinModel, hf.DonutSwinConfig(**SMALL, embed_dim=16, window_size=7), 224),
}


def moved_most(before, after):
    """Which unit of a stack another picture moves most, by what it looks at and by what looks at it."""
    moved = sum(
        (before.weights(0, head) - after.weights(0, head)).abs() for head in range(before.heads(0))
    )
    looks = moved.sum(dim=1)
    return int((looks + moved.sum(dim=0) if moved.shape[0] == moved.shape[1] else looks).argmax())


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("patch", [(3, 5), (17, 40), (50, 23)])
def test_a_patch_moves_the_unit_that_bears_its_place(tower, patch):
    kind, config, side = TOWERS[tower]
    torch.manual_seed(0)
    model = viz.wrap_model(kind(config).eval())
    picture = torch.randn(1, 3, side, side)
    touched = picture.clone()
    row, column = patch
    # A pixel that no other patch reads, where they overlap.
    touched[:, :, 4 * row, 4 * column] += 20 * torch.randn(3)
    before, after = (viz.capture(model, {"pixel_values": one}).stacks for one in (picture, touched))
    grids = {name: patch_grid(stack.queries) for name, stack in before.items()}
    # The largest of some numbers may be another's after a step, so that Hiera's pooled units are numbered.
    assert len(set(grids.values())) == (2 if kind is hf.HieraModel else 4)
    for name, stack in before.items():
        grid = grids[name]
        if grid is None:
            assert not any("," in label for label in stack.queries.labels)
            continue
        merged = side // 4 // grid.rows
        # Later layers of a stage have mixed what is in a window.
        unit = moved_most(stack, after[name])
        assert stack.queries.labels[unit] == f"{row // merged},{column // merged}"


class MergedWithBorder(nn.Module):
    """Attends over a wide plane, merges 2 x 2, and keeps beside the merged ones the mean of a few of them."""

    def __init__(self, kept):
        super().__init__()
        torch.manual_seed(0)
        self.kept = kept
        self.cut, self.merge = nn.Conv2d(3, 32, 4, 4), nn.Linear(128, 32)
        self.fine, self.coarse = (nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(2))

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2).mT
        x = x + self.fine(x, x, x, need_weights=False)[0]
        x = x.view(-1, 16, 2, 16, 2, 32).permute(0, 1, 3, 2, 4, 5).reshape(-1, 256, 128)
        x = self.merge(x)
        mean = x[:, self.kept].mean(1, keepdim=True)
        x = torch.cat([x[:, :-1], mean], 1)
        return x + self.coarse(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("kept", [slice(0, 256), slice(0, 64), [0, 40, 200, 255], [7, 250]])
def test_a_mean_of_merged_patches_is_none_of_them(kept):
    stacks = viz.capture(
        viz.wrap_model(MergedWithBorder(kept).eval()), {"pixel_values": torch.randn(1, 3, 128, 128)}
    ).stacks
    assert patch_grid(stacks["self_1"].queries) == (0, 32, 32)
    assert "," not in stacks["self_2"].queries.labels[-1]


class Merged(nn.Module):
    """Attends over a wide plane, makes one of `merged` x `merged`, does something to them, and attends again."""

    def __init__(self, side, merged, change, how="linear"):
        super().__init__()
        torch.manual_seed(0)
        self.side, self.merged, self.change, self.how = side, merged, change, how
        self.cut, self.merge = nn.Conv2d(3, 32, 4, 4), nn.Linear(32 * merged**2, 32)
        self.fine, self.coarse = (nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(2))

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2).mT
        x = x + self.fine(x, x, x, need_weights=False)[0]
        n, m = self.side // self.merged, self.merged
        x = x.view(-1, n, m, n, m, 32).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, m * m, 32)
        x = x.amax(2) if self.how == "max" else self.merge(x.flatten(2))
        x = self.change(x)
        return x + self.coarse(x, x, x, need_weights=False)[0]


def labels_of(module, side):
    given = {"pixel_values": torch.randn(1, 3, 4 * side, 4 * side)}
    stacks = viz.capture(viz.wrap_model(module.eval()), given).stacks
    return [stack.queries.labels for stack in stacks.values()]


def fused(place, *others):
    """Put the mean of some units in the place of one."""

    def change(x):
        mean = x[:, list(others)].mean(1)
        return torch.cat([x[:, :place], mean[:, None], x[:, place + 1 :]], 1)

    return change


@pytest.mark.parametrize("side", [32, 48, 56])
@pytest.mark.parametrize("merged", [2, 4])
@pytest.mark.parametrize("others", [(1, 2), (1, 3), (0, 2), (1, 2, 3), (6, 7), (5, 9)])
def test_a_mean_of_two_neighbours_is_not_the_one_that_is_gone(side, merged, others):
    row = 3 * (side // merged)
    _, labels = labels_of(
        Merged(side, merged, fused(row, *(row + other for other in others))), side
    )
    assert "3,0" not in labels


@pytest.mark.parametrize("side", [8, 12, 32])
def test_the_largest_of_merged_patches_is_no_single_patch(side):
    _, labels = labels_of(Merged(side, 2, lambda x: x, "max"), side)
    places = [tuple(map(int, one.split(","))) for one in labels if "," in one]
    assert all(max(place) < side // 2 for place in places)


def test_one_unit_that_moves_among_many_that_do_not_has_no_place():
    _, labels = labels_of(Merged(32, 2, lambda x: x.sign() + 1e-3 * x), 32)
    assert "0,0" not in labels or labels[0] == "0,0"


def best_of_each_group(x, score):
    groups = score.view(-1, 2, 2)
    return x.view(1, -1, 2, 2, 32).flatten(2, 3)[
        :, torch.arange(len(groups)), groups.flatten(1).argmax(1)
    ]


CHOICES = {
    "best of each group": best_of_each_group,
    "of twice as many": lambda x, s: x[:, torch.cat([s, -s]).topk(len(s)).indices % len(s)],
    "sorted in rows": lambda x, s: x.view(1, -1, 8, 32)[
        :, torch.arange(len(s) // 8)[:, None], s.view(-1, 8).argsort(1)
    ].flatten(1, 2),
    "turned by the largest": lambda x, s: x.roll(int(s.max(0).indices), 1),
    "above the middle": lambda x, s: x[:, s > s.median()],
    "flipped by one": lambda x, s: x.flip(1) if s[0] > s[1] else x,
}

# Decided by the user's numbers, one way or the other, however the numbers of ours would decide.
DECISIONS = {
    "by a truth value": lambda x, s, way: x.flip(1) if (s[0] > s[1]) == way else x,
    "by a Python number": lambda x, s, way: x.flip(1) if (s[0].item() > s[1].item()) == way else x,
    "by a count": lambda x, s, way: x.roll(int((s > 0).sum()) + way, 1),
    "by a mask": lambda x, s, way: torch.where((s[0] > s[1]) == way, x.flip(1), x),
    "by a place": lambda x, s, way: x.roll(int(s[:2].argmax() == way), 1),
    "by a comparison of all": lambda x, s, way: x.flip(1) if bool((s > 0).all()) == way else x,
}


class Choosing(nn.Module):
    """Attends to patches in an order, or to a choice of them, that a score of their contents decides."""

    def __init__(self, choice):
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.score, self.choice = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 1), choice
        self.attend = nn.MultiheadAttention(32, 2, batch_first=True)

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2).mT
        x = self.choice(x, self.score(x)[0, :, 0])
        return self.attend(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_by_contents_is_called_so_however_it_is_made(name, side):
    given = {"pixel_values": torch.randn(1, 3, 4 * side, 4 * side)}
    (stack,) = viz.capture(viz.wrap_model(Choosing(CHOICES[name]).eval()), given).stacks.values()
    assert not any("," in label for label in stack.queries.labels)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", [False, True])
@pytest.mark.parametrize("name", DECISIONS)
def test_a_label_holds_whichever_way_the_code_takes_on_these_numbers(name, way, seed):
    torch.manual_seed(seed)
    given = {"pixel_values": torch.randn(1, 3, 32, 32)}
    module = Choosing(lambda x, s: DECISIONS[name](x, s, way)).eval()
    (stack,) = viz.capture(viz.wrap_model(module), given).stacks.values()
    own = module.cut(given["pixel_values"]).flatten(2).mT
    moved = module.choice(own, module.score(own)[0, :, 0])
    places = [(moved[0, row] - own[0]).abs().amax(1).argmin().item() for row in range(64)]
    right = tuple(f"{place // 8},{place % 8}" for place in places)
    assert stack.queries.labels in (right, tuple(f"unit {number}" for number in range(64)))
