"""Any PyTorch module: attention seen at the kernel, and weights that come from elsewhere."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional

import viz

X = torch.randn(2, 11, 32, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """A module that calls the kernel as many do."""

    def __init__(self, *, causal=False):
        super().__init__()
        torch.manual_seed(1)
        self.qkv = nn.Linear(32, 96)
        self.causal = causal

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return out.transpose(1, 2).flatten(2)

    def patterns(self, x):
        q, k, _ = self.qkv(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) * 8**-0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(11, 11).triu(1).bool(), -torch.inf)
        return scores.softmax(-1)


class Mixed(nn.Module):
    """Two attention modules of different kinds, one behind the other."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.first = Plain(causal=True)
        self.second = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x):
        x = self.first(x)
        return self.second(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("item", [0, 1])
def test_a_call_of_the_kernel_is_seen(causal, item):
    module = Plain(causal=causal).eval()
    with torch.inference_mode():
        expected, output = module.patterns(X), module(X)
    trace = viz.capture(viz.wrap_model(module), {"x": X}, item=item)
    stack = trace.stacks["self"]
    assert stack.provenance(0).tier == "hooks"
    for head in range(4):
        torch.testing.assert_close(stack.weights(0, head), expected[item, head])
    assert torch.equal(trace.output, output[item])


def padding():
    mask = torch.zeros(2, 11, dtype=torch.bool)
    mask[1, 8:] = True
    return mask


@pytest.mark.parametrize("masks", [{}, {"src_key_padding_mask": padding()}, {"is_causal": True}])
@pytest.mark.parametrize("batch_first", [True, False])
def test_pytorchs_own_encoder_is_seen_with_its_masks(masks, batch_first):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = X if batch_first else X.transpose(0, 1)
    given = dict(masks)
    causal = torch.ones(11, 11).triu(1).bool()
    if given.pop("is_causal", False):
        given["mask"] = causal
    with torch.inference_mode():
        own = module.layers[0].self_attn(
            x,
            x,
            x,
            key_padding_mask=given.get("src_key_padding_mask"),
            attn_mask=given.get("mask"),
            average_attn_weights=False,
        )[1]
    stack = viz.capture(viz.wrap_model(module), {"src": x, **given}, item=1).stacks["self"]
    for head in range(4):
        torch.testing.assert_close(stack.weights(0, head), own[1, head], atol=1e-6, rtol=0)


def test_calls_of_different_kinds_are_layers_of_one_model():
    trace = viz.capture(viz.wrap_model(Mixed().eval()), {"x": X}, item=0)
    names = [s.record(n).name for s in trace.stacks.values() for n in range(s.layers)]
    assert names == ["first", "second"]


def test_pytorchs_decoder_has_three_stacks():
    torch.manual_seed(0)
    module = nn.Transformer(32, 4, 2, 2, 64, batch_first=True).eval()
    trace = viz.capture(viz.wrap_model(module), {"src": X, "tgt": X[:, :5]}, item=0)
    shapes = {name: (len(s.queries), len(s.keys)) for name, s in trace.stacks.items()}
    assert shapes == {"encoder": (11, 11), "decoder": (5, 5), "cross": (5, 11)}


class Shared(nn.Module):
    """Hands one row of padding to self-attention and to cross-attention."""

    def __init__(self):
        super().__init__()
        self.encoder, self.cross = Plain(), Plain()

    def forward(self, x, target, present):
        mask = present[:, None, None]
        parts = [
            part.qkv(t).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
            for part, t in ((self.encoder, x), (self.cross, target))
        ]
        attend = functional.scaled_dot_product_attention
        read = attend(*parts[0], mask)
        return attend(parts[1][0], parts[0][1], read, mask)


def test_a_mask_that_layers_of_different_queries_share_is_spread_over_each():
    present = torch.arange(11)[None] < 8
    module = Shared().eval()
    trace = viz.capture(
        viz.wrap_model(module), {"x": X[:1], "target": X[:1, :5], "present": present}
    )
    stacks = {(len(s.queries), len(s.keys)): s for s in trace.stacks.values()}
    assert set(stacks) == {(11, 11), (5, 11)}
    for (queries, _), stack in stacks.items():
        weights = stack.weights(0, 0)
        assert weights.shape == (queries, 11)
        assert (weights[:, 8:] == 0).all()


class Own(nn.Module):
    """Attention written out by hand, which only its own code knows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)

    def heads(self, x):
        return self.qkv(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)

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
    assert sum(stack.layers for stack in stacks.values()) == layers


def test_a_module_without_attention_is_refused():
    with pytest.raises(viz.LoupeError, match=r"no softmax attention.*attention=\{"):
        viz.capture(viz.wrap_model(nn.Linear(32, 4)), {"input": X}, item=0)


def test_a_forward_that_raises_midway_is_said_and_the_model_runs_again():
    class Moody(Plain):
        angry = False

        def forward(self, x):
            out = super().forward(x)
            if self.angry:
                raise RuntimeError("no more today")
            return out

    module = Moody().eval()
    model = viz.wrap_model(module)
    module.angry = True
    with pytest.raises(viz.LoupeError, match="failed during its forward pass: no more today"):
        viz.capture(model, {"x": X}, item=0)
    module.angry = False
    assert viz.capture(model, {"x": X}, item=0).stacks["self"].layers == 1


class WrittenOut(nn.Module):
    """Attention that calls no kernel and returns no weights: a softmax, and a product with values."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.num_heads = 4
        self.qkv, self.gate = nn.Linear(32, 96), nn.Linear(32, 3)

    def scores(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
        return (q @ k.transpose(-1, -2)).flatten(0, 1) * 0.2, v.flatten(0, 1)

    def forward(self, x):
        routed = self.gate(x).softmax(-1)  # looks like attention, and weighs nothing
        scores, values = self.scores(x)
        out = (functional.softmax(scores, dim=-1) @ values).unflatten(0, (len(x), 4))
        return out.transpose(1, 2).flatten(2) * routed.amax(-1, keepdim=True)


def test_a_softmax_that_weighs_values_is_attention_whoever_wrote_it():
    module = nn.Sequential(WrittenOut(), WrittenOut()).eval()
    with torch.inference_mode():
        expected = module[0].scores(X)[0].softmax(-1).unflatten(0, (2, 4))
    stack = viz.capture(viz.wrap_model(module), {"input": X}, item=1).stacks["self"]
    assert (stack.layers, stack.heads(0), stack.provenance(0).tier) == (2, 4, "eager")
    torch.testing.assert_close(stack.weights(0, 2), expected[1, 2])


class ByHand(nn.Module):
    """Attention that is written out, values on either side of the weights."""

    def __init__(self, *, values_first: bool = False) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.num_heads = 2
        self.values_first = values_first
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        query, key, value = self.qkv(x).view(batch, tokens, 3, 2, 8).permute(2, 0, 3, 1, 4)
        weights = (query @ key.mT / 8**0.5).softmax(-1)
        self.seen.append(weights)
        looked = (value.mT @ weights.mT).mT if self.values_first else weights @ value
        return looked.transpose(1, 2).reshape(batch, tokens, 16)


class KernelAround(nn.Module):
    """A part that calls the kernel itself, and holds another that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ByHand()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        parts = self.qkv(x).view(batch, tokens, 3, 2, 8).permute(2, 0, 3, 1, 4)
        looked = nn.functional.scaled_dot_product_attention(*parts)
        return self.inner(x + looked.transpose(1, 2).reshape(batch, tokens, 16))


@pytest.mark.parametrize("values_first", [False, True])
def test_weights_written_out_are_seen_on_either_side_of_the_values(values_first):
    torch.manual_seed(0)
    module = nn.Sequential(ByHand(values_first=values_first)).eval()
    stack = viz.capture(viz.wrap_model(module), {"input": torch.randn(1, 9, 16)}).stacks["self"]
    for head in range(2):
        torch.testing.assert_close(stack.weights(0, head), module[0].seen[-1][0, head])
    assert stack.provenance(0).output_error < 1e-6


def test_attention_written_out_inside_a_part_that_calls_the_kernel_is_seen_too():
    torch.manual_seed(0)
    module = nn.Sequential(KernelAround()).eval()
    stacks = viz.capture(viz.wrap_model(module), {"input": torch.randn(1, 9, 16)}).stacks
    names = [record.name for stack in stacks.values() for record in stack.records]
    assert names == ["0", "0.inner"]
    inner = list(stacks.values())[1]
    torch.testing.assert_close(inner.weights(0, 1), module[0].inner.seen[-1][0, 1])


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
    with pytest.raises(viz.LoupeError, match=r"no softmax attention.*attention=\{"):
        viz.wrap_model(module)
    ids = torch.randint(5, 97, (1, 9))
    with torch.inference_mode():
        q, k, _ = module.attn.heads(module.embed(ids))
        expected = (q @ k.transpose(-1, -2) * 0.3).softmax(-1)
    model = viz.wrap_model(module, attention={"attn": explained(0.3)})
    stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
    torch.testing.assert_close(stack.weights(0, 1), expected[0, 1], atol=1e-6, rtol=0)


class OwnError(Exception):
    """What only its author knows."""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ZeroDivisionError, "ZeroDivisionError: by hand"),
        (OverflowError, "OverflowError: by hand"),
        (NameError, "NameError: by hand"),
        (LookupError, "LookupError: by hand"),
        (FileNotFoundError, "FileNotFoundError: by hand"),
        (StopIteration, "StopIteration: by hand"),
        (RuntimeError, "by hand"),
        (OwnError, "OwnError: by hand"),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_whatever_a_forward_raises_is_said(kind, said, before):
    class Failing(Plain):
        failing = False

        def forward(self, x):
            if self.failing:
                raise kind("by hand")
            return super().forward(x)

    module = Failing().eval()
    model = viz.wrap_model(module)
    for _ in range(before):
        viz.capture(model, {"x": X}, item=0)
    module.failing = True
    with pytest.raises(viz.LoupeError, match=f"failed during its forward pass: {said}"):
        viz.capture(model, {"x": X}, item=0)
    module.failing = False
    assert viz.capture(model, {"x": X}, item=0).stacks["self"].layers == 1


@pytest.mark.parametrize("kind", [ZeroDivisionError, ValueError, RuntimeError, OwnError])
@pytest.mark.parametrize("phase", ["tokenise", "forward"])
def test_what_progress_raises_is_not_the_models(kind, phase):
    raised = kind("stop")

    def progress(told, share):
        if told == phase and (phase == "tokenise" or share > 0):
            raise raised

    model = viz.wrap_model(Mixed().eval())
    for _ in range(2):
        with pytest.raises(kind) as caught:
            viz.capture(model, {"x": X}, item=0, progress=progress)
        assert caught.value is raised


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        (Plain(), {"foo": X}, "Plain takes no input named foo. Its forward takes x."),
        (Plain(), {"x": X, "foo": X, "y": X}, "takes no input named foo or y. Its forward takes x"),
        (
            hf.Dinov2Model(
                hf.Dinov2Config(
                    hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=28
                )
            ),
            {"foo": X},
            "takes no input named foo. Its forward takes pixel_values",
        ),
    ],
)
def test_an_input_that_a_forward_does_not_take_is_named(module, given, message):
    with pytest.raises(viz.LoupeError, match=message):
        viz.capture(viz.wrap_model(module.eval()), given, item=0)


def test_a_forward_that_takes_any_names_is_given_them():
    class Handing(Plain):
        def forward(self, **batch):
            return super().forward(batch["x"])

    class Choosing(Plain):
        def forward(self, task="x", **batch):
            return super().forward(batch[task])

    for module in (Handing(), Choosing()):
        model = viz.wrap_model(module.eval())
        assert viz.capture(model, {"x": X}, item=0).stacks["self"].layers == 1
