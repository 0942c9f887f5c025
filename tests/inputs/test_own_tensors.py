"""A model's own inputs: rows that are shares of one, pictures alone, and what would count for nothing."""

import pytest
import torch
import transformers as hf

import viz

SOUND = {
    "vocab_size": 32,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 64,
    "num_codebooks": 4,
}


def decoder(attention="sdpa"):
    torch.manual_seed(0)
    config = hf.MusicgenDecoderConfig(**SOUND, attn_implementation=attention)
    return viz.wrap_model(hf.MusicgenForCausalLM(config).eval())


def codes(rows, length=6):
    generator = torch.Generator().manual_seed(0)
    given = {"input_ids": torch.randint(1, 32, (rows, length), generator=generator)}
    given["encoder_hidden_states"] = torch.randn(rows // 4, 5, 32, generator=generator)
    return given


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_row_a_codebook_is_one_input(attention):
    model, given = decoder(attention), codes(4)
    trace = viz.capture(model, given)
    with torch.inference_mode():
        expected = model.module(**given).logits
    assert trace.stacks["decoder"].queries.labels[:2] == ("position 0", "position 1")
    torch.testing.assert_close(trace.output, expected, atol=1e-5, rtol=0)
    assert len(trace.stacks["cross"].keys) == 5


def test_codebooks_of_two_inputs_are_refused_in_words():
    with pytest.raises(viz.LoupeError, match=r"8 rows are 2 inputs of 4 rows each"):
        viz.capture(decoder(), codes(8))


def test_frames_of_a_film_are_one_input():
    config = hf.XCLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        num_frames=4,
        mit_hidden_size=32,
        mit_intermediate_size=64,
        mit_num_hidden_layers=1,
        mit_num_attention_heads=2,
    )
    torch.manual_seed(0)
    model = viz.wrap_model(hf.XCLIPVisionModel(config).eval())
    trace = viz.capture(model, {"pixel_values": torch.randn(4, 3, 32, 32)})
    assert {len(stack.queries) for stack in trace.stacks.values()} == {4, 4 * 18}


def test_a_batch_of_texts_stays_a_batch():
    config = hf.GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=32)
    config.num_codebooks = 4
    model = viz.wrap_model(hf.GPT2LMHeadModel(config).eval())
    with pytest.raises(viz.LoupeError, match="batch holds 4 inputs"):
        viz.capture(model, {"input_ids": torch.ones(4, 5, dtype=torch.long)})


def test_a_picture_alone_is_read_by_a_model_that_may_read_texts_too():
    config = hf.FlavaConfig(
        image_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "intermediate_size": 32, "image_size": 32, "patch_size": 8},
        text_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "intermediate_size": 32, "vocab_size": 64},
        multimodal_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                           "intermediate_size": 32},
        hidden_size=32,
    )  # fmt: skip
    model = viz.wrap_model(hf.FlavaModel(config).eval())
    trace = viz.capture(model, {"pixel_values": torch.randn(1, 3, 32, 32)})
    assert next(iter(trace.stacks.values())).queries.labels[:2] == ("[CLS]", "0,0")


def test_a_film_towers_table_is_no_limit_of_the_text():
    table = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 32, "image_size": 32, "patch_size": 8}  # fmt: skip
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 32, "vocab_size": 64, "max_position_embeddings": 512}  # fmt: skip
    config = hf.VideoLlavaConfig(
        vision_config=hf.CLIPVisionConfig(**table),
        text_config=hf.LlamaConfig(**text),
        image_token_index=62,
        video_token_index=63,
    )
    model = viz.wrap_model(hf.VideoLlavaForConditionalGeneration(config).eval())
    assert model.context_limit is None or model.context_limit >= 512
    ids = torch.arange(60)[None] % 60 + 1
    assert len(viz.capture(model, {"input_ids": ids}).units) == 60


IDS = [[5, 6, 7, 8]]
MISFITS = {
    "misspelled": (
        {"input_ids": IDS, "attention_msk": [[1, 1, 0, 0]]},
        "Did you mean attention_mask",
    ),
    "unknown": ({"input_ids": IDS, "foo": [[1]]}, "takes no input named foo"),
    "another length": (
        {"input_ids": IDS, "attention_mask": [[1, 1]]},
        r"attention_mask has shape \(1, 2\), and input_ids \(1, 4\)",
    ),
    "no whole numbers": ({"input_ids": [[5.0, 6.0]]}, "input_ids are float32 numbers"),
    "another name": ({"inputs_id": IDS}, "Call inputs_id input_ids"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_inputs_that_would_count_for_nothing_are_refused(name):
    config = hf.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    given, words = MISFITS[name]
    with pytest.raises(viz.LoupeError, match=words):
        viz.capture(viz.wrap_model(hf.BertModel(config).eval()), given)


def test_a_mask_may_count_queries_that_stand_beside_the_ids():
    torch.manual_seed(0)
    config = hf.InstructBlipQFormerConfig(
        vocab_size=97,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        encoder_hidden_size=16,
    )
    module = hf.InstructBlipQFormerModel(config).eval()
    given = {
        "input_ids": torch.randint(5, 97, (1, 12)),
        "query_embeds": torch.randn(1, 8, 32),
        "attention_mask": torch.ones(1, 20, dtype=torch.long),
        "encoder_hidden_states": torch.randn(1, 6, 16),
    }
    trace = viz.capture(viz.wrap_model(module), given)
    with torch.inference_mode():
        expected = module(**given).last_hidden_state[0]
    torch.testing.assert_close(trace.output, expected, atol=1e-5, rtol=0)
    assert trace.stacks["encoder"].record(0).shape == (20, 20)
    with pytest.raises(viz.LoupeError, match="shape"):
        viz.capture(viz.wrap_model(module), {**given, "attention_mask": torch.ones(1, 9)})
