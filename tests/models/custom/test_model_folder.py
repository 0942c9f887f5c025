"""Custom models kept as folders, opened again, and refused where they are damaged."""

from __future__ import annotations

import json
import threading

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

import viz
from tests.models.custom.models import inputs, kinds, tokenizer
from viz.errors import (
    ConfigError,
    ModelError,
    ModelNotFoundError,
    ModelRefusedError,
    ShapeError,
    StorageError,
)
from viz.models.custom import TransformerOptions, build_model, save_model
from viz.models.custom.pretrained_config import LoupeConfig
from viz.models.custom.task_losses import shifted_right
from viz.models.custom.transformers_models import LoupeForCausalLM

KINDS = {
    "LoupeForCausalLM": "causal",
    "LoupeForMaskedLM": "masked",
    "LoupeForConditionalGeneration": "seq2seq",
    "LoupeForSequenceClassification": "encoder",
    "LoupeForVectors": "other",
    "LoupeForImageClassification": "other",
}


def saved(folder, name="LoupeForCausalLM"):
    return save_model(build_model(kinds()[name], tokenizer(), seed=0), folder, tokenizer())


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_model_opens_as_what_it_was(tmp_path, name):
    module = build_model(kinds()[name], tokenizer(), seed=0).eval()
    model = viz.load_model(save_model(module, tmp_path / "saved", tokenizer()))
    assert type(model.module).__name__ == name
    assert model.kind == KINDS[name]
    assert model.module.config.options == kinds()[name]
    given = inputs(name)
    with torch.inference_mode():
        # Numbers that lie elsewhere in memory may be added up in another order.
        torch.testing.assert_close(
            model.module(**given).logits, module(**given).logits, atol=1e-6, rtol=1e-6
        )
    assert model.tokenizer.get_vocab() == tokenizer().get_vocab()


def test_a_seed_gives_the_same_weights_and_leaves_chance_alone():
    options = kinds()["LoupeForCausalLM"]
    torch.manual_seed(5)
    first, after = build_model(options, seed=1), torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))
    second, other = build_model(options, seed=1), build_model(options, seed=2)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    table = "transformer.embedding.table.weight"
    assert not torch.equal(first.state_dict()[table], other.state_dict()[table])


def test_a_model_without_a_limit_reads_texts_of_any_length(tmp_path):
    options = TransformerOptions(vocab_size=len(tokenizer()), positions="alibi", max_tokens=None)
    module = build_model(options, tokenizer(), seed=0)
    assert module.config.options == module.transformer.options == options
    model = viz.load_model(save_model(module, tmp_path / "saved", tokenizer()))
    assert model.module.config.options == options
    assert model.context_limit is None


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_the_loss_of_a_regression_compares_each_label_with_its_own_prediction(shape):
    options = TransformerOptions("encoder", "regression", d_input=3, outputs=1)
    module = build_model(options, seed=0).eval()
    vectors, labels = torch.randn(4, 5, 3), torch.arange(4.0)
    output = module(vectors, labels=labels.reshape(shape))
    assert output.logits.shape == (4, 1)
    expected = (output.logits[:, 0] - labels).square().mean()
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize(
    ("task", "labels", "hint"),
    [("regression", (4, 2), r"shape \(4, 3\)"), ("classification", (3,), r"shape \(4,\)")],
)
def test_labels_that_belong_to_no_prediction_are_said(task, labels, hint):
    module = build_model(TransformerOptions("encoder", task, d_input=3, outputs=3), seed=0)
    kind = torch.float32 if task == "regression" else torch.int64
    with pytest.raises(ShapeError, match=hint):
        module(torch.randn(4, 5, 3), labels=torch.zeros(labels, dtype=kind))


def test_the_limit_of_learned_positions_is_that_of_the_model(tmp_path):
    options = TransformerOptions(vocab_size=len(tokenizer()), max_tokens=12)
    model = viz.load_model(save_model(build_model(options, tokenizer()), tmp_path, tokenizer()))
    assert model.context_limit == 12
    with pytest.raises(
        viz.LoupeError, match=r"The text has 15 tokens; .* reads 12, so it is 3 over"
    ):
        viz.capture(model, "cat " * 15)


def test_without_a_limit_any_number_of_tokens_is_read(tmp_path):
    options = TransformerOptions(vocab_size=len(tokenizer()), max_tokens=None, positions="rotary")
    model = viz.load_model(save_model(build_model(options, tokenizer()), tmp_path, tokenizer()))
    assert model.context_limit is None
    assert viz.capture(model, "cat " * 700).stacks["self"].weights(0, 0).shape == (700, 700)


def test_greedy_generation_takes_the_likeliest_token_each_time():
    module = build_model(kinds()["LoupeForCausalLM"], seed=3).eval()
    ids = inputs("LoupeForCausalLM")["input_ids"][:1]
    written = module.generate(ids, max_new_tokens=6, do_sample=False)
    for _ in range(6):
        with torch.inference_mode():
            ids = torch.cat([ids, module(ids).logits[:, -1:].argmax(-1)], dim=1)
    assert written.tolist() == ids.tolist()


def test_an_encoder_decoder_writes_what_is_likeliest_after_what_it_read():
    module = build_model(kinds()["LoupeForConditionalGeneration"], tokenizer(), seed=3).eval()
    ids = inputs("LoupeForCausalLM")["input_ids"][:1]
    written = module.generate(ids, max_new_tokens=6, do_sample=False, eos_token_id=-1)
    expected = torch.tensor([[module.config.bos_token_id]])
    for _ in range(6):
        with torch.inference_mode():
            logits = module(ids, decoder_input_ids=expected).logits
        expected = torch.cat([expected, logits[:, -1:].argmax(-1)], dim=1)
    assert written.tolist() == expected.tolist()


def test_what_a_decoder_reads_is_what_it_should_write_one_place_later():
    config = LoupeConfig(vocab_size=9, decoder_start_token_id=2, pad_token_id=0)
    labels = torch.tensor([[5, 6, 3], [7, 3, -100]])
    assert shifted_right(labels, config).tolist() == [[2, 5, 6], [2, 7, 3]]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_learns_from_labels(name):
    module = build_model(kinds()[name], tokenizer(), seed=0)
    given = inputs(name)
    labels = {
        "LoupeForVectors": given.get("vectors", torch.empty(0))[..., :1],
        "LoupeForSequenceClassification": torch.tensor([0, 2]),
        "LoupeForImageClassification": torch.tensor([3, 9]),
    }.get(name, given.get("decoder_input_ids", given.get("input_ids")))
    optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = module(**given, labels=labels).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_labels_of_padding_count_for_nothing():
    module = build_model(kinds()["LoupeForCausalLM"], seed=0)
    ids = inputs("LoupeForCausalLM")["input_ids"]
    present = torch.ones_like(ids)
    present[1, 5:] = 0
    labels = ids.masked_fill(present == 0, -100)
    whole = module(ids, attention_mask=present, labels=labels).loss
    first, second = (
        module(ids[:1], labels=ids[:1]).loss,
        module(ids[1:, :5], labels=ids[1:, :5]).loss,
    )
    torch.testing.assert_close(whole, (8 * first + 4 * second) / 12)


def test_a_class_that_does_something_else_is_not_built():
    config = LoupeConfig(vocab_size=9, architecture="encoder")
    with pytest.raises(ConfigError, match=r"LoupeForCausalLM cannot be made .* LoupeForMaskedLM"):
        LoupeForCausalLM(config)


def damage_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.update(changes)
    path.write_text(json.dumps({name: one for name, one in config.items() if one is not None}))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"heads": 5}, ConfigError, "The width 64 is not divisible by 5 heads."),
        ({"heads": "four"}, ConfigError, r"The option heads is a str \('four'\)."),
        ({"positions": "magic"}, ConfigError, "'magic', which is none that there is"),
        ({"vocab_size": None}, ConfigError, "Of vocab_size, d_input or image_size none came."),
        ({"layers": 3}, ModelRefusedError, "lacks 16 weights"),
        ({"d_model": 32}, ModelError, "have other shapes than its config.json says"),
        ({"model_type": "foreign"}, ModelRefusedError, "is of type 'foreign'"),
    ],
)
def test_a_damaged_configuration_is_said_in_one_sentence(tmp_path, changes, error, message):
    folder = saved(tmp_path / "saved")
    damage_config(folder, **changes)
    with pytest.raises(error, match=message) as caught:
        viz.load_model(folder)
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_said_in_one_sentence(tmp_path):
    folder = saved(tmp_path / "saved")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2_000])
    with pytest.raises(ModelError, match=r"The weights of .* are damaged") as caught:
        viz.load_model(folder)
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused(tmp_path):
    folder = saved(tmp_path / "saved")
    save_file({"other": torch.ones(3)}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelRefusedError, match=r"lacks .* weights"):
        viz.load_model(folder)


def test_weights_that_diverged_are_refused(tmp_path):
    folder = saved(tmp_path / "saved")
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.embedding.table.weight"][0] = torch.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelRefusedError, match="not all numbers"):
        viz.load_model(folder)


def test_a_folder_without_weights_is_said(tmp_path):
    folder = saved(tmp_path / "saved")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match="holds no weights"):
        viz.load_model(folder)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written to"):
        saved(tmp_path / "file" / "inside")


def test_saving_again_replaces_the_weights_and_leaves_nothing_beside(tmp_path):
    folder = saved(tmp_path / "saved")
    other = build_model(kinds()["LoupeForCausalLM"], tokenizer(), seed=7)
    save_model(other, folder)
    kept = load_file(folder / "model.safetensors")
    assert torch.equal(
        kept["transformer.embedding.table.weight"], other.transformer.embedding.table.weight
    )
    assert not list(folder.glob("*.part"))


def test_the_library_knows_the_configuration(tmp_path):
    assert isinstance(AutoConfig.from_pretrained(saved(tmp_path)), LoupeConfig)


def test_models_built_while_others_load_have_all_their_weights(tmp_path):
    folder = saved(tmp_path / "saved")
    expected = build_model(kinds()["LoupeForCausalLM"], seed=4).state_dict()
    wrong = []

    def build():
        for _ in range(4):
            # Chance is one for all threads; what is looked for is weights that nobody drew.
            for name, one in build_model(kinds()["LoupeForCausalLM"]).state_dict().items():
                drawn, usual = float(one.std()), float(expected[name].std())
                if one.ndim > 1 and not 0.5 * usual < drawn < 2 * usual:
                    wrong.append((name, drawn, usual))

    builder = threading.Thread(target=build)
    builder.start()
    for _ in range(3):
        viz.load_model(folder)
    builder.join()
    assert wrong == []


def test_pictures_are_brought_to_the_size_of_the_model(tmp_path):
    module = build_model(kinds()["LoupeForImageClassification"], seed=0)
    model = viz.load_model(save_model(module, tmp_path))
    picture = Image.new("RGB", (30, 50), (255, 128, 0))
    trace = viz.capture(model, image=picture)
    pixels = torch.tensor([255, 128, 0]).div(255).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(trace.output, model.module(pixels).logits[0])
    assert trace.units.labels[-1] == "3,3"
