"""Models by name, by folder, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file, save_file

import viz
from tests.models.folders import save_small
from viz.inputs.default_target import write
from viz.inputs.modalities import prepare_media
from viz.models.catalogue import CATALOGUE
from viz.models.folders import allowed_folder


@pytest.fixture
def folder(tmp_path):
    return save_small(tmp_path / "small")


@pytest.mark.parametrize(
    "name", [e.name for e in CATALOGUE.values() if e.reads == "text" and e.package]
)
def test_every_catalogue_model_is_exact(name):
    model = viz.load_model(name)
    entry = CATALOGUE[name]
    assert (model.layers, model.heads, model.kind) == (entry.layers, entry.heads, entry.kind)
    assert model.parameters == entry.parameters
    trace = viz.capture(model, "The animal didn't cross the street because it was too tired.")
    plain = hf.AutoModel.from_pretrained(
        viz.models.catalogue.local_folder(entry),
        attn_implementation="eager",
        dtype=torch.float32,
    ).eval()
    ids = torch.tensor([trace.units.ids])
    with torch.no_grad():
        expected = plain(ids, output_attentions=True).attentions
    stack = trace.stacks["self"]
    for layer in range(stack.layers):
        for head in range(stack.heads(layer)):
            weights = stack.weights(layer, head)
            torch.testing.assert_close(weights, expected[layer][0, head], atol=1e-5, rtol=0)


SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


def test_the_real_model_of_pictures_is_as_exact_as_float32_can_be():
    model = viz.load_model("dinov2")
    trace = viz.capture(model, image=SAMPLES / "cat.jpg")
    entry, stack = CATALOGUE["dinov2"], trace.stacks["self"]
    assert (model.layers, model.heads, model.parameters) == (12, 6, entry.parameters)
    assert viz.check(model, image=SAMPLES / "cat.jpg").exact
    # Its scores are large: eager float32 itself is up to 2e-5 from float64 (layer 3).
    folder = viz.models.catalogue.local_folder(entry)
    pixels = model.processor(images=Image.open(SAMPLES / "cat.jpg"), return_tensors="pt")
    distances = []
    truth = None
    for dtype in (torch.float64, torch.float32):
        plain = hf.AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=dtype)
        with torch.no_grad():
            own = plain.eval()(pixels["pixel_values"].to(dtype), output_attentions=True).attentions
        truth = own if truth is None else truth
        distances.append(max(float((a - b).abs().max()) for a, b in zip(own, truth, strict=True)))
    for layer in range(12):
        mine = torch.stack([stack.weights(layer, head) for head in range(6)])
        assert float((mine - truth[layer][0]).abs().max()) < 2 * distances[1]
    # A head that was trained on pictures looks at a patch's neighbours, which no random one does.
    right = torch.arange(1, 257).view(16, 16)[:, :-1].flatten()
    beside = max(
        float(stack.weights(layer, head)[right, right + 1].mean())
        for layer in range(4)
        for head in range(6)
    )
    assert beside > 5 / 257


def test_the_real_model_of_speech_writes_what_is_said_and_looks_along_it():
    model = viz.load_model("whisper")
    entry, voice = CATALOGUE["whisper"], SAMPLES / "voice.ogg"
    words = write(model, prepare_media(model, None, target=None, image=None, sound=voice))
    assert "Mr. John Dashwood had then leisure to consider" in words
    trace = viz.capture(model, sound=voice, target=words)
    assert (model.layers, model.parameters) == (12, entry.parameters)
    assert {name: stack.layers for name, stack in trace.stacks.items()} == {
        "encoder": 4,
        "decoder": 4,
        "cross": 4,
    }
    # As the model writes: its start once, then that no times are wanted, then the words.
    start = trace.stacks["decoder"].queries.ids[:3]
    assert start[:2] == (50257, 50362)
    assert start[2] < 50256
    cross = trace.stacks["cross"]
    assert (cross.keys.kind, cross.keys.labels[50]) == ("frame", "1.00 s")
    # Over all heads, later words look at later times.
    means = torch.stack([cross.weights(layer, h) for layer in range(4) for h in range(6)]).mean(0)
    inside = means[2:-1, :355]
    centres = (inside * torch.arange(355)).sum(dim=1) / inside.sum(dim=1)
    assert (
        float(torch.corrcoef(torch.stack([centres, torch.arange(len(centres)).float()]))[0, 1])
        > 0.8
    )
    assert viz.check(model, sound=voice, target=words).largest < 1e-5
    with pytest.raises(viz.LoupeError, match="reads sounds, not texts"):
        viz.capture(model, "hello")


def test_the_demo_looks_where_a_trained_model_looks():
    """Some head of the real model follows the previous token, which no random one does."""
    trace = viz.capture(viz.load_model("demo"), "A quick brown fox jumps over a lazy dog.")
    stack = trace.stacks["self"]
    best = max(
        float(stack.weights(layer, head).diagonal(-1).mean())
        for layer in range(6)
        for head in range(12)
    )
    assert best > 0.5


def test_the_real_language_model_knows_the_capital():
    from viz.analysis import predictions

    model = viz.load_model("smollm2")
    trace = viz.capture(model, "The capital of France is")
    table = predictions(trace).at(-1, model.tokenizer)
    assert table["token"][0] == "·Paris"
    assert table["probability"].is_monotonic_decreasing


def test_a_folder_in_hub_layout_loads(folder):
    model = viz.load_model(str(folder))
    assert (model.layers, model.heads, model.takes_pairs) == (3, 4, True)
    assert model.context_limit == 128
    trace = viz.capture(model, "the cat sat", pair="on the mat")
    assert set(trace.units.segments) == {0, 1}


def test_a_model_in_the_hub_cache_loads_by_its_id(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--owner--small"
    save_small(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert viz.load_model("hub:owner/small").layers == 3


def rewrite_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def with_remote_code(folder):
    rewrite_config(folder, model_type="unheard-of", auto_map={"AutoModel": "modeling.Model"})


def unknown(folder):
    rewrite_config(folder, model_type="unheard-of")


def only_pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def no_config(folder):
    (folder / "config.json").unlink()


def with_nan(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.1.output.dense.weight"][0, 0] = float("nan")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def with_missing_weights(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.2.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def truncated(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_remote_code, "code of its own"),
        (unknown, "unheard-of"),
        (only_pickled, "only pickled weights"),
        (no_weights, "no weights"),
        (no_config, r"no config\.json"),
        (with_nan, r"encoder\.layer\.1\.output\.dense\.weight holds NaN"),
        (with_missing_weights, r"lacks 1 weights \(encoder\.layer\.2"),
        (truncated, "are damaged"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(folder, spoil, message):
    spoil(folder)
    with pytest.raises(viz.LoupeError, match=message) as caught:
        viz.load_model(str(folder))
    assert caught.value.hint


def test_a_model_without_attention_is_refused(tmp_path):
    config = hf.MambaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, state_size=4)
    hf.MambaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(viz.LoupeError, match="no softmax attention"):
        viz.load_model(str(tmp_path))


def test_a_model_that_cannot_run_says_why():
    config = hf.GPTJConfig(vocab_size=50, n_embd=32, n_layer=1, n_head=4, rotary_dim=64)
    model = viz.wrap_model(hf.GPTJForCausalLM(config))
    with pytest.raises(viz.LoupeError, match="failed during its forward pass: The size of tensor"):
        viz.capture(model, {"input_ids": [[5, 6, 7]]})


def test_several_calls_a_layer_are_one_pattern():
    """Differential attention calls the kernel twice a layer, for each half of its values."""
    config = hf.DiffLlamaConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
    )
    model = viz.wrap_model(hf.DiffLlamaForCausalLM(config))
    assert (model.tier, model.layers) == ("registry", 2)


def test_a_model_without_a_tokenizer_reads_ids_and_no_text(folder):
    for path in folder.glob("*token*"):
        path.unlink()
    model = viz.load_model(str(folder))
    assert model.tokenizer is None
    assert viz.capture(model, {"input_ids": [[7, 8, 9]]}).units.labels == ("7", "8", "9")
    with pytest.raises(viz.LoupeError, match="no tokenizer"):
        viz.capture(model, "the cat")


@pytest.mark.parametrize("name", ["nobody/no-such-model", "gpt2-that-is-not-here"])
def test_a_hub_model_without_a_network_says_so(name):
    with pytest.raises(viz.LoupeError, match="cannot be reached"):
        viz.load_model(name)


@pytest.mark.parametrize("name", ["", "no model", "a/b/c", "../x", "<script>"])
def test_names_that_are_none_are_named(name):
    with pytest.raises(viz.LoupeError, match=r"no Hugging Face id|cannot be reached"):
        viz.load_model(name)


@pytest.mark.parametrize(("name", "meant"), [("smolm2", "smollm2"), ("someone/Minilm", "minilm")])
def test_an_unknown_model_is_answered_with_what_there_is(name, meant):
    with pytest.raises(viz.LoupeError) as said:
        viz.load_model(name)
    assert f"Did you mean {meant}? The catalogue has minilm, loupe" in said.value.hint
    assert "loupe models says" in said.value.hint


def test_a_device_that_is_not_here_is_named():
    with pytest.raises(viz.LoupeError, match="no device 'cuda:7'"):
        viz.load_model("demo", device="cuda:7")


def test_memory_is_checked_before_weights_are_read(folder, monkeypatch):
    monkeypatch.setattr("viz.models.run_cost.available_memory_bytes", lambda _: 1000)
    with pytest.raises(viz.LoupeError, match=r"The weights of .* take"):
        viz.load_model(str(folder))


@pytest.mark.parametrize("path", ["../outside", "/etc", "a/../../outside", "link"])
def test_a_path_that_leaves_the_allowed_folder_is_refused(path, tmp_path):
    root = tmp_path / "allowed"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(viz.LoupeError, match="outside the folders"):
        allowed_folder(path, [root])


def test_a_folder_inside_is_found_by_either_name(tmp_path):
    inside = tmp_path / "small"
    inside.mkdir()
    assert allowed_folder("small", [tmp_path]) == allowed_folder(str(inside), [tmp_path]) == inside
    with pytest.raises(viz.LoupeError, match="no folder missing"):
        allowed_folder("missing", [tmp_path])
    shutil.rmtree(inside)


def test_a_model_outside_the_registry_goes_by_its_own_eager_attention():
    config = hf.DebertaV2Config(
        vocab_size=97,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
    )
    module = hf.DebertaV2Model(config).eval()
    model = viz.wrap_model(module)
    assert model.tier == "eager"
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        expected = module(ids, output_attentions=True).attentions
    stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
    assert stack.provenance(0).tier == "eager"
    torch.testing.assert_close(stack.weights(1, 3), expected[1][0, 3])
