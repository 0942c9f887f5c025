"""Keys of an earlier pass, given among the inputs, and other ways in which a text is continued."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
IDS = torch.randint(5, 97, (2, 12), generator=torch.Generator().manual_seed(0))
READ = 7


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return hf.LlamaForCausalLM(hf.LlamaConfig(**SMALL)).eval()


def whole(module, item=0):
    return viz.capture(viz.wrap_model(module), {"input_ids": IDS[item : item + 1]})


def dynamic(module):
    return hf.DynamicCache(config=module.config)


def static(module):
    return hf.StaticCache(config=module.config, max_cache_len=20)


def read(module, cache, ids=IDS):
    with torch.inference_mode():
        return module(ids[:, :READ], past_key_values=cache, use_cache=True).past_key_values


def legacy(module):
    return tuple((layer.keys, layer.values) for layer in read(module, dynamic(module)).layers)


MAKERS = {
    "dynamic": lambda module: read(module, dynamic(module)),
    "static": lambda module: read(module, static(module)),
    "tuples": legacy,
}


@pytest.mark.parametrize("given", ["ids", "embeds"])
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("new", [1, 5])
def test_new_tokens_look_at_the_past_as_they_do_in_one_pass(module, kind, given, new):
    past = MAKERS[kind](module)
    ids = IDS[:, READ : READ + new]
    inputs = {"input_ids": ids}
    if given == "embeds":
        inputs = {"inputs_embeds": module.get_input_embeddings()(ids).detach()}
    model = viz.wrap_model(module)
    for _ in range(2):  # what is given is not written to
        trace = viz.capture(model, {**inputs, "past_key_values": past}, item=1)
    stack = trace.stacks["self"]
    assert (stack.layers, len(stack.queries)) == (2, new)
    expected = whole(module, 1)
    for layer in range(2):
        rows = expected.stacks["self"].weights(layer, 3)[READ : READ + new, : READ + new]
        mine = stack.weights(layer, 3)
        torch.testing.assert_close(mine[:, : READ + new], rows, atol=1e-5, rtol=0)
        assert not mine[:, READ + new :].any()
    torch.testing.assert_close(trace.output, expected.output[READ : READ + new], atol=1e-4, rtol=0)
    assert stack.keys.labels[:READ] == tuple(f"past {number}" for number in range(READ))
    assert stack.keys.labels[READ : READ + new] == stack.queries.labels
    assert all(label.startswith("unused") for label in stack.keys.labels[READ + new :])


def test_a_sliding_window_keeps_the_last_of_the_past():
    torch.manual_seed(0)
    config = hf.MistralConfig(**SMALL, sliding_window=4)
    module = hf.MistralForCausalLM(config).eval()
    past = read(module, dynamic(module), IDS[:1])
    trace = viz.capture(
        viz.wrap_model(module), {"input_ids": IDS[:1, READ:9], "past_key_values": past}
    )
    stack = trace.stacks["self"]
    assert stack.keys.labels[0] == f"past {READ - 3}"
    full = whole(module).stacks["self"].weights(1, 2)
    torch.testing.assert_close(stack.weights(1, 2), full[READ:9, READ - 3 : 9], atol=1e-5, rtol=0)


def test_what_is_no_past_is_refused_in_words(module):
    with pytest.raises(viz.LoupeError, match=r"past_key_values are a str.*give the whole text"):
        viz.capture(viz.wrap_model(module), {"input_ids": IDS[:1], "past_key_values": "yesterday"})


def test_a_past_counts_towards_the_limit(module):
    past = read(module, dynamic(module), IDS[:1])
    ids = torch.full((1, 60), 7)
    with pytest.raises(viz.LoupeError, match="has 67 tokens"):
        viz.capture(viz.wrap_model(module), {"input_ids": ids, "past_key_values": past})


def test_a_decoder_goes_on_from_its_own_past_and_looks_across_at_all_of_the_source():
    torch.manual_seed(0)
    config = hf.BartConfig(
        vocab_size=97,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=64,
    )
    module = hf.BartForConditionalGeneration(config).eval()
    written = torch.tensor([[2, 11, 12, 13, 14]])
    model = viz.wrap_model(module)
    expected = viz.capture(model, {"input_ids": IDS[:1], "decoder_input_ids": written})
    with torch.inference_mode():
        first = module(IDS[:1], decoder_input_ids=written[:, :3], use_cache=True)
    given = {
        "encoder_outputs": (first.encoder_last_hidden_state,),
        "decoder_input_ids": written[:, 3:],
        "past_key_values": first.past_key_values,
        "input_ids": IDS[:1],
    }
    trace = viz.capture(model, given)
    mine = {name: stack for name, stack in trace.stacks.items() if len(stack.queries) == 2}
    assert {len(stack.keys) for stack in mine.values()} == {5, 12}
    for stack in mine.values():
        own = expected.stacks["decoder" if len(stack.keys) == 5 else "cross"].weights(0, 2)
        torch.testing.assert_close(stack.weights(0, 2), own[3:], atol=1e-5, rtol=0)
