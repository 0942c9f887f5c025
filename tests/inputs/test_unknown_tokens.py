"""How much of a text a tokenizer has no tokens for, in any script."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import viz
from tests.models.folders import byte_tokenizer
from viz.inputs.units import units_from_encoding
from viz.inputs.unknown_tokens import Unread, unread

CHINESE = "人工智能正在改变我们的生活方式，每天都有新的发现。"


def read(tokenizer, text: str, pair: str | None = None) -> Unread:
    encoding = tokenizer(text, pair, return_special_tokens_mask=True, return_offsets_mapping=True)
    texts = (text,) if pair is None else (text, pair)
    return unread(tokenizer, units_from_encoding(tokenizer, encoding, text, pair), texts)


@pytest.fixture(scope="module")
def english():
    return viz.load_model("minilm").tokenizer


@pytest.fixture(scope="module")
def fallback():
    """Spells what it does not know in bytes, as Llama's does."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    made.decoder = decoders.ByteFallback()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


@pytest.fixture(scope="module")
def dropping():
    """Has no token for what it does not know, and says nothing."""
    made = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made)


@pytest.mark.parametrize(
    "text", [CHINESE, "สวัสดีครับ ยินดีที่ได้รู้จัก", "ကျေးဇူးတင်ပါတယ်", "🙂 🚀 🧠 🦙", "ស្វាគមន៍"]
)
def test_unknown_tokens_are_counted_in_any_script(english, text):
    found = read(english, text)
    ids = english(text, add_special_tokens=False)["input_ids"]
    assert found.unknown == ids.count(english.unk_token_id)
    assert found.tokens == len(ids)
    assert found.share >= 0.1
    assert f"{found.unknown} of {len(ids)} tokens are [UNK]" in found.said("MiniLM")


@pytest.mark.parametrize(
    "text", ["The animal didn't cross the street.", "Straße und Café", "приве́т"]
)
def test_what_is_known_is_not_counted(english, text):
    assert read(english, text).share == 0


def test_the_texts_of_a_pair_count_together(english):
    alone = read(english, CHINESE)
    both = read(english, "the cat sat", CHINESE)
    assert (both.unknown, both.tokens) == (alone.unknown, alone.tokens + 3)


def test_an_unknown_token_that_somebody_wrote_is_known(english):
    assert read(english, "the token [UNK] stands for all").unknown == 0


@pytest.mark.parametrize("text", [CHINESE, "🙂", "a"])
def test_bytes_are_known(fallback, text):
    assert read(fallback, text).share == 0
    assert read(byte_tokenizer(), text).share == 0


def test_an_end_of_text_that_is_called_unknown_is_none():
    for name in ("loupe", "smollm2"):
        assert read(viz.load_model(name).tokenizer, CHINESE).share == 0


def test_characters_that_a_tokenizer_drops_are_counted(dropping):
    found = read(dropping, "a b 人工 a")
    assert (found.dropped, found.characters, found.unknown) == (2, 5, 0)
    assert "2 of 5 characters are left out" in found.said("it")
