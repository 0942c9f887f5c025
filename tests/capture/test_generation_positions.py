"""Models that change themselves while they write: shown as they did it, one row a token, or refused."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import transformers as hf

import viz
from tests.capture.architectures import build
from tests.capture.writing import TEXT, endless, own_weights, weights_off, writer
from viz.capture.generation.row_stitching import Stitched
from viz.capture.recorder import Recorder
from viz.errors import CaptureError

PROMPT, LIMIT = 9, 13


def turning(kind, model=hf.LlamaForCausalLM, config=hf.LlamaConfig, **more):
    """A model whose rotary frequencies change once a text is longer than 13 tokens."""
    rope = {"rope_type": kind, "rope_theta": 10_000.0, "factor": 2.0}
    if kind == "longrope":
        more["original_max_position_embeddings"] = LIMIT
        rope |= {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    torch.manual_seed(7)
    made = config(
        **{"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "intermediate_size": 48},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2},
        **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "rope_parameters": rope},
        max_position_embeddings=LIMIT if kind == "dynamic" else 64,
        **more,
    )
    return endless(model(made))


def unlimited(module):
    model = writer(module)
    model.context_limit = None
    return model


def as_it_wrote(model, new_tokens, **options):
    """Weights of each step of the model's own eager writing, [layer][head, query, key]."""
    eager = copy.deepcopy(model.module)
    eager.set_attn_implementation("eager")
    asked = {"return_dict_in_generate": True, "output_attentions": True, "do_sample": False}
    result = eager.generate(
        **model.tokenizer(TEXT, return_tensors="pt"),
        **{**asked, "max_new_tokens": new_tokens, **options},
    )
    count = result.sequences.shape[1] - 1
    layers = []
    for layer in range(len(result.attentions[0])):
        rows = [step[layer][0] for step in result.attentions]
        padded = [torch.nn.functional.pad(part, (0, count - part.shape[-1])) for part in rows]
        layers.append(torch.cat(padded, dim=1))
    return result.sequences, layers


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_rows_are_those_of_the_writing_where_positions_change_midway(kind):
    model = unlimited(turning(kind))
    trace = viz.capture_generation(model, TEXT, new_tokens=18)
    ids, own = as_it_wrote(model, 18)
    assert trace.units.ids == tuple(ids[0, :-1].tolist())
    assert len(trace.stacks["self"].queries) == len(trace.stacks["self"].keys) == PROMPT + 17
    assert weights_off(trace, own) < 5e-6
    assert weights_off(trace, own_weights(model.module, ids[:, :-1])) > 0.01
    flags = trace.stacks["self"].provenance(0).flags
    # Dynamic NTK counts from the limit on, longrope from the first token beyond it.
    assert any("changed its positions while it wrote (from token 13 on)" in flag for flag in flags)


@pytest.mark.parametrize("options", [{"cache_implementation": "static"}, {"prefill_chunk_size": 4}])
def test_the_same_holds_for_other_caches(options):
    model = unlimited(turning("dynamic"))
    trace = viz.capture_generation(model, TEXT, new_tokens=18, **options)
    ids, own = as_it_wrote(model, 18)
    assert trace.units.ids == tuple(ids[0, :-1].tolist())
    assert weights_off(trace, own) < 5e-6


def test_a_text_drawn_by_chance_is_drawn_again():
    model = unlimited(turning("dynamic"))
    torch.manual_seed(11)
    options = {"do_sample": True, "temperature": 2.0}
    trace = viz.capture_generation(model, TEXT, new_tokens=18, **options)
    after = torch.rand(1)
    torch.manual_seed(11)
    ids, own = as_it_wrote(model, 18, **options)
    assert trace.units.ids == tuple(ids[0, :-1].tolist())
    assert weights_off(trace, own) < 5e-6
    assert torch.rand(1) == after  # the second time takes nothing from anyone's chance


@pytest.mark.parametrize("new_tokens", [3, 5])
def test_before_they_change_one_pass_shows_it(new_tokens):
    model = unlimited(turning("longrope"))
    trace = viz.capture_generation(model, TEXT, new_tokens=new_tokens)
    assert trace.output is not None
    assert weights_off(trace, own_weights(model.module, torch.tensor([trace.units.ids]))) < 5e-6


PHI = {"model": hf.Phi3ForCausalLM, "config": hf.Phi3Config}


@pytest.mark.parametrize(
    "options",
    [{}, {"cache_implementation": "static"}, {"use_cache": False}, {"prompt_lookup_num_tokens": 3}],
)
def test_a_text_read_again_from_the_start_has_the_rows_of_the_last_reading(options):
    model = writer(turning("longrope", **PHI))
    trace = viz.capture_generation(model, TEXT, new_tokens=18, **options)
    assert len(trace.stacks["self"].queries) == len(trace.units) == PROMPT + 17
    assert weights_off(trace, own_weights(model.module, torch.tensor([trace.units.ids]))) < 5e-6
    said = [f for f in trace.stacks["self"].provenance(0).flags if "read again" in f]
    assert len(said) == 1
    assert "the rows of the last reading" in said[0]


@pytest.mark.parametrize(
    "options", [{"num_beams": 2}, {"prompt_lookup_num_tokens": 3}, {"assistant_early_exit": 1}]
)
def test_where_neither_shows_it_is_refused_with_the_number_that_can_be_written(options):
    model = unlimited(turning("dynamic"))
    name, value = next(iter(options.items()))
    with pytest.raises(CaptureError, match="changed its positions") as caught:
        viz.capture_generation(model, TEXT, new_tokens=18, **options)
    assert f"try without {name}={value}" in caught.value.hint
    few = int(caught.value.hint.split()[4])
    trace = viz.capture_generation(model, TEXT, new_tokens=few, **options)
    assert weights_off(trace, own_weights(model.module, torch.tensor([trace.units.ids]))) < 5e-6


def test_a_model_that_answers_otherwise_while_it_writes_is_shown_as_it_did():
    """Whatever the reason: here each row after the prompt's is turned up."""
    module = endless(build("llama"))

    def louder(part, args, kwargs):
        hidden = kwargs["hidden_states"]
        return args, {**kwargs, "hidden_states": hidden * 1.5 if hidden.shape[1] == 1 else hidden}

    model = writer(module)
    module.model.layers[1].self_attn.register_forward_pre_hook(louder, with_kwargs=True)
    trace = viz.capture_generation(model, TEXT, new_tokens=6)
    ids, own = as_it_wrote(model, 6)
    assert trace.units.ids == tuple(ids[0, :-1].tolist())
    assert weights_off(trace, own) < 5e-6
    assert weights_off(trace, own_weights(module, ids[:, :-1])) > 1e-3
    flags = trace.stacks["self"].provenance(0).flags
    assert any("of their spread off, where rounding allows" in flag for flag in flags)


def test_what_was_checked_of_every_row_of_the_writing_is_kept(monkeypatch):
    """Each step is checked as a pass of its own; the worst of them is what a layer says."""
    checked = {}
    record = Recorder.add
    joined = Stitched.add

    def noting(recorder, layer):
        late = len(checked.get(layer.name, ())) == 5
        flags = (*layer.provenance.flags, *(("noted",) if late else ()))
        error = 3e-6 if late else layer.provenance.output_error
        record(
            recorder,
            replace(layer, provenance=replace(layer.provenance, flags=flags, output_error=error)),
        )

    def joining(stitched, layer, rows):
        checked.setdefault(layer.name, []).append(layer.provenance)
        joined(stitched, layer, rows)

    monkeypatch.setattr(Recorder, "add", noting)
    monkeypatch.setattr(Stitched, "add", joining)
    stack = viz.capture_generation(unlimited(turning("dynamic")), TEXT, new_tokens=12).stacks[
        "self"
    ]
    for layer in range(stack.layers):
        shown, steps = stack.provenance(layer), checked[stack.record(layer).name]
        assert len(steps) == 12
        assert shown.output_error == max(step.output_error for step in steps) == 3e-6
        assert shown.row_sum_error == max(step.row_sum_error for step in steps)
        assert shown.checked_rows == sum(step.checked_rows for step in steps)
        assert "noted" in shown.flags
        assert shown.mask == "causal"
