"""Parts that are run again: how often, and what of them is never shown."""

import pytest
import torch
import transformers as hf
from torch import nn

import viz


def projections(width):
    return {name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj")}


class Cut(nn.Module):
    """Attends within windows that it is handed, [window, token, channel]."""

    def __init__(self, width=16, heads=2):
        super().__init__()
        self.num_heads = heads
        for name, part in projections(width).items():
            setattr(self, name, part)

    def forward(self, x):
        windows, tokens, width = x.shape
        q, k, v = (
            part(x).view(windows, tokens, self.num_heads, -1).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        scores = torch.einsum("whqd,whkd->whqk", q, k)
        mixed = torch.einsum("whqk,whkd->whqd", scores.softmax(-1), v)
        return mixed.transpose(1, 2).reshape(windows, tokens, width)


class Overlapping(nn.Module):
    """Cuts a text into windows that share tokens."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.LayerNorm(16)
        self.attn = Cut()

    def forward(self, x):
        x = self.norm(x)
        windows = torch.stack([x[0, first : first + 4] for first in (0, 2, 4)])
        return self.attn(windows).mean(dim=0)[None]


def test_windows_that_share_tokens_keep_a_row_for_each():
    """A token that stands in two windows has two rows; no picture may hold one of them alone."""
    given = {"x": torch.randn(1, 8, 16, generator=torch.Generator().manual_seed(1))}
    stack = viz.capture(viz.wrap_model(Overlapping().eval()), given).stacks["self"]
    assert (len(stack.queries), len(stack.keys)) == (12, 12)
    assert stack.queries.labels[0] == "position 0"
    sums = torch.stack([stack.weights(0, head).sum(-1) for head in range(2)])
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(6))
def test_a_layer_of_block_attention_runs_twice_in_a_capture(seed):
    """Once as it was and once with numbers, whatever the weights of what comes after it."""
    torch.manual_seed(seed)
    config = hf.LongformerConfig(
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=64,
        attention_window=8,
        max_position_embeddings=130,
    )
    model = viz.wrap_model(hf.LongformerModel(config).eval())
    part = next(p for p in model.module.modules() if type(p).__name__ == "LongformerSelfAttention")
    runs, forward = [0], part.forward

    def counted(*args, **kwargs):
        runs[0] += 1
        return forward(*args, **kwargs)

    part.forward = counted
    viz.capture(model, {"input_ids": torch.arange(5, 45)[None]})
    # The pass of the model alone, which proves the other, is one of them.
    assert runs[0] <= 4


def test_parameters_and_forwards_are_as_they_were_after_a_pass_that_fails():
    class Failing(hf.ViTModel):
        calls = 0

        def forward(self, *args, **kwargs):
            type(self).calls += 1
            if type(self).calls > 4:
                raise RuntimeError("no more")
            return super().forward(*args, **kwargs)

    config = hf.ViTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )
    module = Failing(config).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    model = viz.wrap_model(module)
    Failing.calls = 2
    stack = viz.capture(model, {"pixel_values": torch.randn(1, 3, 32, 32)}).stacks["self"]
    assert stack.queries.labels[0] != "[CLS]"
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any("forward" in vars(part) for part in module.modules())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
