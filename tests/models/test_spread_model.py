"""A model whose parts lie in several places shows what it shows in one."""

from __future__ import annotations

import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from transformers import AutoModelForCausalLM

import viz
from tests.models.folders import save_decoder, word_tokenizer
from viz.errors import CaptureError, ModelRefusedError
from viz.models.spread_model import is_offloaded, is_spread

TEXT = "the cat sat on the dog"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_decoder(tmp_path_factory.mktemp("spread") / "writes", layers=3, heads=2)


@pytest.fixture(scope="module")
def whole(folder):
    return viz.load_model(str(folder), device="cpu")


@pytest.fixture
def spread(folder, tmp_path):
    """The same model, two of its layers on disk."""
    module = AutoModelForCausalLM.from_pretrained(folder)
    names = ["embed_tokens", "rotary_emb", "norm", "layers.0", "layers.1", "layers.2"]
    places = {f"model.{name}": "cpu" for name in names} | {"lm_head": "cpu"}
    places |= {"model.layers.0": "disk", "model.layers.2": "disk"}
    return dispatch_model(module, places, main_device="cpu", offload_dir=tmp_path)


def test_patterns_are_those_of_the_model_in_one_place(spread, whole):
    model = viz.wrap_model(spread, whole.tokenizer)
    assert is_offloaded(model.module)
    assert model.device == torch.device("cpu")
    there, here = (viz.capture(one, TEXT) for one in (model, whole))
    for layer in range(3):
        pattern = there.stacks["self"].weights(layer)
        assert torch.allclose(pattern, here.stacks["self"].weights(layer), atol=1e-6)
    assert torch.allclose(there.output, here.output, atol=1e-5)
    assert is_offloaded(model.module)  # it is left as it was


def test_two_models_that_differ_on_disk_are_told_apart(folder, tmp_path):
    prints = []
    for number in range(2):
        module = AutoModelForCausalLM.from_pretrained(folder)
        with torch.no_grad():
            module.model.layers[1].mlp.up_proj.weight[0, 0] += number
        prints.append(viz.wrap_model(cpu_offload(module), word_tokenizer(), name="one").fingerprint)
    assert prints[0] != prints[1]


def test_effects_of_what_is_on_disk_are_refused_with_a_way_on(spread):
    model = viz.wrap_model(spread, word_tokenizer(), name="spread one")
    with pytest.raises(CaptureError, match=r"Parts of spread one lie .*smaller model"):
        viz.effects(model, TEXT)


def test_a_model_is_loaded_over_all_devices_that_there_are(folder, whole):
    model = viz.load_model(str(folder), device="spread")
    pattern = viz.capture(model, TEXT).stacks["self"].weights(2)
    assert torch.allclose(pattern.cpu(), viz.capture(whole, TEXT).stacks["self"].weights(2))
    assert is_spread(model.module) == (torch.cuda.device_count() > 1)


def test_weights_that_nobody_has_are_still_refused(folder):
    module = AutoModelForCausalLM.from_pretrained(folder).to("meta")
    with pytest.raises(ModelRefusedError, match="meta device"):
        viz.wrap_model(module, word_tokenizer())
