"""Folders whose config.json no model can be built of: the field and its value are said, in one sentence."""

from __future__ import annotations

import json
import shutil

import pytest
import transformers as hf

import viz
from tests.models.folders import save_decoder, save_encoder_decoder, save_small
from viz.errors import ConfigError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    picture = hf.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
    )
    hf.ViTModel(picture).save_pretrained(root / "vit")
    save_small(root / "bert")
    save_decoder(root / "llama", layers=2, heads=2)
    save_encoder_decoder(root / "bart")
    return root


@pytest.fixture
def broken(folders, tmp_path):
    """Make a folder whose config.json has other values."""

    def make(kind: str, **fields: object):
        folder = shutil.copytree(folders / kind, tmp_path / "broken")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **fields}))
        return folder

    return make


@pytest.mark.parametrize(
    ("kind", "field", "value", "said"),
    [
        ("bert", "num_attention_heads", 0, "is 0; it must be at least 1"),
        ("bert", "num_attention_heads", -4, "is -4; it must be at least 1"),
        ("bert", "num_attention_heads", 7, "is 7; it must divide hidden_size, which is 32"),
        ("bert", "num_attention_heads", "four", 'is "four"; it must be a whole number'),
        ("bert", "num_attention_heads", None, "is null; it must be a whole number"),
        ("bert", "num_attention_heads", [4], "is [4]; it must be a whole number"),
        ("bert", "num_attention_heads", 1.5, "is 1.5; it must be a whole number"),
        ("bert", "hidden_size", 0, "is 0; it must be at least 1"),
        ("bert", "hidden_size", -32, "is -32; it must be at least"),
        ("bert", "num_hidden_layers", 0, "is 0; it must be at least 1"),
        ("bert", "num_hidden_layers", -1, "is -1; it must be at least 1"),
        ("bert", "vocab_size", 0, "is 0; it must be at least 1"),
        ("bert", "hidden_act", "nothing", 'is "nothing"; transformers knows no such name'),
        ("bert", "layer_norm_eps", "x", 'is "x"; it must be a number'),
        ("bert", "architectures", ["BertTokenizer"], "must name classes of models"),
        ("bert", "architectures", [5], "must name classes of models"),
        ("llama", "num_attention_heads", 0, "is 0; it must be at least 1"),
        ("llama", "num_key_value_heads", 0, "is 0; it must be at least 1"),
        ("llama", "num_key_value_heads", 5, "is 5; it must divide num_attention_heads, which is 2"),
        ("llama", "head_dim", 0, "is 0; it must be at least 1"),
        ("llama", "rope_parameters", {"rope_type": "magic"}, "transformers knows no such name"),
        ("bart", "encoder_attention_heads", 0, "is 0; it must be at least 1"),
        ("bart", "decoder_attention_heads", -2, "is -2; it must be at least 1"),
        ("bart", "encoder_attention_heads", 3, "is 3; it must divide d_model, which is 32"),
        ("vit", "patch_size", 0, "is 0; it must be at least 1"),
        ("vit", "num_attention_heads", 0, "is 0; it must be at least 1"),
    ],
)
def test_a_field_that_no_model_can_have_is_the_folders_fault(broken, kind, field, value, said):
    with pytest.raises(ConfigError) as caught:
        viz.load_model(broken(kind, **{field: value}))
    assert f"says that {field} is" in caught.value.message
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_field_of_a_part_is_named_with_its_part(broken):
    folder = broken("vit", vision_config={"num_attention_heads": 0})
    with pytest.raises(ConfigError, match=r"vision_config\.num_attention_heads is 0"):
        viz.load_model(folder)


@pytest.mark.parametrize("fields", [{"patch_size": 16}, {"hidden_size": 64}])
def test_a_config_of_other_weights_is_said_to_be_one(broken, fields):
    with pytest.raises(ConfigError, match="have other shapes than its config"):
        viz.load_model(broken("vit", **fields))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", r"holds \[\], and no object"),
        (b"null", "holds null, and no object"),
        (b"{", "is no JSON"),
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"{}", "has no model_type"),
        (b'{"model_type": ["bert"]}', r'has the model_type \["bert"\]'),
    ],
)
def test_a_config_that_is_none_is_said_to_be_none(broken, content, said):
    folder = broken("bert")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        viz.load_model(folder)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("bert", {"num_attention_heads": 8}),
        ("llama", {"num_experts": 0, "sliding_window": -1, "vision_feature_layer": -2}),
        ("bart", {"encoder_layers": 2}),
    ],
)
def test_what_can_be_built_is_built(broken, kind, fields):
    assert viz.load_model(broken(kind, **fields)).parameters > 0
