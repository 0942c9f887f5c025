"""Whatever `generate` is asked for, by the caller or by the model itself: honoured, or refused in words."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build
from tests.capture.writing import TEXT, endless, own_weights, weights_off, writer
from tests.models.folders import byte_tokenizer
from viz.capture.generation.generation_options import asked_of
from viz.errors import CaptureError, ShapeError

# As an option, and in the model's own generation_config.
HONOURED = {
    "prompt lookup": {"prompt_lookup_num_tokens": 3},
    "beams": {"num_beams": 3},
    "static cache": {"cache_implementation": "static"},
    "sliding cache": {"cache_implementation": "sliding_window"},
    "dynamic cache": {"cache_implementation": "dynamic"},
    "prefill in chunks": {"prefill_chunk_size": 3},
    "no cache": {"use_cache": False},
    "repetition penalty": {"repetition_penalty": 1.5},
    "guidance": {"guidance_scale": 1.5},
    "watermark": {"watermarking_config": {"bias": 2.5, "seeding_scheme": "selfhash"}},
}


def written_by(model, settings, **options):
    """What the model writes by itself, [1, token]."""
    prompt = model.tokenizer(TEXT, return_tensors="pt")
    return model.module.generate(
        **prompt, do_sample=False, max_new_tokens=12, **{**settings, **options}
    )


@pytest.mark.parametrize("name", ["llama", "mistral"])
@pytest.mark.parametrize("settings", HONOURED.values(), ids=list(HONOURED))
@pytest.mark.parametrize("own", [False, True], ids=["option", "own config"])
def test_rows_are_those_of_the_written_text_whatever_way_it_is_written(name, settings, own):
    module = endless(build(name), **settings if own else {})
    model = writer(module)
    trace = viz.capture_generation(model, TEXT, new_tokens=12, **({} if own else settings))
    alone = written_by(model, {} if own else settings)
    assert trace.units.ids == tuple(alone[0, :-1].tolist())
    assert len(trace.stacks["self"].queries) == alone.shape[1] - 1 == 20
    assert weights_off(trace, own_weights(module, alone[:, :-1])) < 2e-6


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_a_models_own_first_layers_may_draft(name):
    module = endless(build(name))
    model = writer(module)
    trace = viz.capture_generation(model, TEXT, new_tokens=12, assistant_early_exit=1)
    assert trace.units.ids == tuple(written_by(model, {})[0, :-1].tolist())
    assert weights_off(trace, own_weights(module, torch.tensor([trace.units.ids]))) < 2e-6


@pytest.mark.parametrize("wrapped", [False, True])
def test_another_model_may_draft(wrapped):
    module, other = endless(build("llama")), endless(build("llama"))
    with torch.no_grad():
        other.lm_head.weight[::2] *= -1  # wrong every other time
    model = writer(module)
    trace = viz.capture_generation(
        model, TEXT, new_tokens=12, assistant_model=writer(other) if wrapped else other
    )
    assert trace.units.ids == tuple(written_by(model, {})[0, :-1].tolist())
    assert weights_off(trace, own_weights(module, torch.tensor([trace.units.ids]))) < 2e-6


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"prompt_lookup_num_tokens": 3}])
def test_what_is_drawn_by_chance_has_its_own_rows(options):
    module = endless(build("llama"))
    torch.manual_seed(3)
    trace = viz.capture_generation(
        writer(module), TEXT, new_tokens=12, do_sample=True, temperature=3.0, **options
    )
    assert len(trace.stacks["self"].queries) == 20
    assert weights_off(trace, own_weights(module, torch.tensor([trace.units.ids]))) < 2e-6


def test_a_stop_string_ends_the_text():
    torch.manual_seed(7)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
    module = endless(hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=300, **sizes)))
    model = writer(module, byte_tokenizer())
    whole = viz.capture_generation(model, TEXT, new_tokens=12)
    stop = whole.units.texts[-4]
    trace = viz.capture_generation(model, TEXT, new_tokens=12, stop_strings=[stop])
    assert len(trace.units) < len(whole.units)
    assert trace.units.ids == whole.units.ids[: len(trace.units)]


@pytest.mark.parametrize("settings", [{"max_length": 10}, {"max_new_tokens": 3}])
def test_the_number_asked_for_goes_before_the_configurations(settings):
    model = writer(endless(build("llama"), **settings))
    assert len(viz.capture_generation(model, TEXT, new_tokens=12).units) == 20


def test_what_comes_back_from_generate_changes_nothing():
    settings = {"return_dict_in_generate": True, "output_scores": True, "output_attentions": True}
    model = writer(endless(build("llama"), **settings))
    assert len(viz.capture_generation(model, TEXT, new_tokens=12).units) == 20


def test_a_generation_config_of_ones_own_is_followed():
    module = endless(build("llama"))
    config = hf.GenerationConfig(num_beams=3, cache_implementation="static", pad_token_id=0)
    model = writer(module)
    trace = viz.capture_generation(model, TEXT, new_tokens=12, generation_config=config)
    assert trace.units.ids == tuple(written_by(model, {}, num_beams=3)[0, :-1].tolist())


REFUSED = {
    "texts": (
        {"num_return_sequences": 3, "do_sample": True},
        "writes 3 texts, and a trace holds one",
    ),
    "quantised": ({"cache_implementation": "quantized"}, "rounds keys after they were looked at"),
    "paged": ({"cache_implementation": "paged"}, "in batches of its own"),
    "dola": ({"dola_layers": "low"}, "no code from there is run here"),
    "contrastive": ({"penalty_alpha": 0.6, "top_k": 4}, "contrastive search"),
    "groups": ({"num_beams": 4, "num_beam_groups": 2}, "group beam search"),
    "words": ({"num_beams": 2, "force_words_ids": [[7]]}, "constrained beam search"),
    "least": ({"min_new_tokens": 200}, "more than the 12 new tokens"),
    "length": ({"min_length": 200}, "more than 9 tokens and 12 new ones"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("own", [False, True], ids=["option", "own config"])
def test_what_one_trace_cannot_show_is_refused_by_name_and_value(case, own):
    settings, words = REFUSED[case]
    model = writer(endless(build("llama"), **settings if own else {}))
    name = {"contrastive": "penalty_alpha", "groups": "num_beam_groups", "words": "force_words_ids"}
    said = name.get(case, next(iter(settings)))
    with pytest.raises(CaptureError if own else ShapeError, match=words) as caught:
        viz.capture_generation(model, TEXT, new_tokens=12, **({} if own else settings))
    assert f"{said}={settings[said]!r}" in caught.value.message
    assert ("The generation_config of LlamaForCausalLM" if own else "The option") in str(
        caught.value
    )
    if own and case != "least":
        # What the hint says to pass turns it off.
        off = {"num_return_sequences": 1, "num_beam_groups": 1, "min_length": 0}.get(said)
        assert f"{said}={off!r}" in caught.value.hint
        trace = viz.capture_generation(model, TEXT, new_tokens=12, **{said: off})
        assert len(trace.units) == 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_new_tokens": 3}, r"max_new_tokens=3 .*Say it by new_tokens"),
        ({"max_length": 30}, r"max_length=30 .*Say it by new_tokens"),
        ({"return_dict_in_generate": True}, "here it is a trace"),
        (
            {"past_key_values": hf.DynamicCache()},
            "past_key_values is something that the model reads",
        ),
        ({"attention_mask": torch.ones(1, 9)}, "attention_mask is something that the model reads"),
        ({"do_smaple": True}, "no option do_smaple. Did you mean do_sample?"),
        ({"custom_generate": "somebody/code"}, r"custom_generate='somebody/code' runs code"),
        ({"trust_remote_code": True}, r"trust_remote_code=True runs code"),
        ({"cache_implementation": "fast"}, r"Invalid `cache_implementation` \(fast\)"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(options, words):
    model = writer(endless(build("llama")))
    with pytest.raises(ShapeError, match=words):
        viz.capture_generation(model, TEXT, new_tokens=12, **options)


def test_an_option_that_is_off_is_as_good_as_none():
    off = {"num_return_sequences": 1, "num_beams": 1, "use_cache": True, "dola_layers": None}
    model = writer(endless(build("llama")))
    trace = viz.capture_generation(model, TEXT, new_tokens=12, **off, cache_implementation=None)
    assert len(trace.units) == 20


def test_a_failure_names_what_was_asked_for_and_never_the_number_of_tokens():
    model = writer(endless(build("llama")))
    with pytest.raises(CaptureError, match=r"num_mtp_layers.*Try without use_mtp=True") as caught:
        viz.capture_generation(model, TEXT, new_tokens=12, use_mtp=True)
    assert "fewer" not in str(caught.value)
    model = writer(endless(build("llama"), use_mtp=True))
    with pytest.raises(CaptureError, match=r"of its generation_config: pass use_mtp=None"):
        viz.capture_generation(model, TEXT, new_tokens=12)


def test_a_logits_processor_that_fails_is_said_as_such():
    def broken(ids, scores):
        raise RuntimeError("nothing fits")

    model = writer(endless(build("llama")))
    with pytest.raises(
        CaptureError,
        match=r"wrote: nothing fits\. Try without logits_processor=LogitsProcessorList",
    ):
        viz.capture_generation(
            model, TEXT, new_tokens=12, logits_processor=hf.LogitsProcessorList([broken])
        )


def test_only_a_lack_of_memory_advises_fewer_tokens():
    model = writer(endless(build("llama")))
    asked = asked_of(model, {"num_beams": 2}, new_tokens=12, prompt=9)
    assert "fewer new tokens" in asked.advice(torch.OutOfMemoryError("CUDA out of memory"))
    assert asked.advice(RuntimeError("shape")) == "Try without num_beams=2."
