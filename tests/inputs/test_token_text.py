"""Bytes as parts of characters, and special tokens by their ids, from a text as from numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers as hf
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

import viz
from tests.models.folders import byte_tokenizer, word_tokenizer
from viz.analysis import Predictions, predictions
from viz.inputs.token_text import special_ids
from viz.inputs.units import label_alone, units_from_encoding, units_from_ids

TEXTS = ["für 你 x", "naïve 👍🏽", "e\u0301 ü", "plain words, two", "a\tb\nc"]
BYTES = {
    "ByT5": hf.ByT5Tokenizer,
    "Perceiver": hf.PerceiverTokenizer,
    "byte-level": byte_tokenizer,
}


def from_text(tokenizer, text, pair=None):
    encoding = tokenizer(
        text,
        pair,
        return_special_tokens_mask=True,
        return_offsets_mapping=tokenizer.is_fast,
    )
    return units_from_encoding(tokenizer, encoding, text, pair)


@pytest.mark.parametrize("kind", BYTES)
def test_bytes_are_named_as_parts_of_their_character(kind):
    labels = from_text(BYTES[kind](), "für 你").labels
    inner = [label for label in labels if not label.startswith(("[", "<"))]
    assert inner == ["f", "ü 1/2", "ü 2/2", "r", "·", "你 1/3", "你 2/3", "你 3/3"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", [*BYTES, "Canine"])
def test_numbers_are_named_as_the_text_that_made_them(kind, text):
    tokenizer = {**BYTES, "Canine": hf.CanineTokenizer}[kind]()
    units = from_text(tokenizer, text)
    by_ids = units_from_ids(tokenizer, units.ids)
    assert by_ids.labels == units.labels
    assert by_ids.special == units.special
    assert by_ids.texts == units.texts
    if kind != "Canine":
        assert by_ids.words == units.words
    assert not any("�" in label for label in units.labels)
    covered = {place for span in units.spans if span is not None for place in range(*span)}
    assert covered == set(range(len(text)))


def test_characters_of_canine_and_its_special_tokens_have_names():
    units = from_text(hf.CanineTokenizer(), "ü x")
    assert units.labels == ("[CLS]", "ü", "·", "x", "[SEP]")
    assert units.special == (True, False, False, False, True)


def test_a_byte_that_makes_no_character_is_named_by_its_number():
    tokenizer = hf.ByT5Tokenizer()
    ids = [number + 3 for number in (0xC3, 0x41, 0xE4, 0xBD, 0x42, 0xBC)]
    assert units_from_ids(tokenizer, ids).labels == (
        *("<0xC3> 1/2", "A"),
        *("<0xE4> 1/3", "<0xBD> 2/3"),
        *("B", "<0xBC>"),
    )


@pytest.mark.parametrize(
    ("byte", "before", "after", "label"),
    [
        (0xBC, [0xC3], [], "ü 2/2"),
        (0xC3, [], [0xBC], "ü 1/2"),
        (0xC3, [], [], "<0xC3> 1/2"),
        (0xBD, [0xE4], [], "<0xBD> 2/3"),
        (0xA0, [0xE4, 0xBD], [0x41], "你 3/3"),
        (0x41, [0xC3], [], "A"),
    ],
)
def test_a_byte_is_named_as_it_would_stand_between_others(byte, before, after, label):
    tokenizer = hf.ByT5Tokenizer()
    shifted = [[number + 3 for number in part] for part in ([byte], before, after)]
    assert label_alone(tokenizer, shifted[0][0], shifted[1], shifted[2]) == label


def test_predicted_bytes_are_parts_of_the_character_that_they_would_make():
    torch.manual_seed(0)
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    module = hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=300, **sizes)).eval()
    tokenizer = byte_tokenizer()
    first, second = tokenizer("ü")["input_ids"]
    other = tokenizer("é")["input_ids"][1]
    trace = viz.capture(viz.wrap_model(module, tokenizer), {"input_ids": [[5, first]]})
    logits = torch.zeros(2, 300)
    for rank, number in enumerate((second, other, first)):
        logits[:, number] = 9 - rank
    table = predictions(replace(trace, output=logits))
    assert list(table.at(-1, tokenizer, 3)["token"]) == ["ü 2/2", "é 2/2", "<0xC3> 1/2"]
    assert list(table.at(0, tokenizer, 3)["token"]) == ["<0xBC>", "<0xA9>", "<0xC3> 1/2"]


def test_what_would_stand_in_place_of_a_byte_is_named_between_its_neighbours():
    tokenizer = hf.PerceiverTokenizer()
    first, second = (number + 6 for number in "ü".encode())
    other = "é".encode()[1] + 6
    table = Predictions(
        "masked", torch.tensor([[second, other]] * 2), torch.ones(2, 2), (first, second)
    )
    assert list(table.at(1, tokenizer)["token"]) == ["ü 2/2", "é 2/2"]


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, word_tokenizer])
def test_an_id_beyond_the_vocabulary_is_named_by_its_number(tokenizer):
    units = units_from_ids(tokenizer(), [7, 5000, 5001, 8])
    assert units.labels[1:3] == ("id 5000", "id 5001")
    assert units.texts[1:3] == ("", "")
    assert units.special[1:3] == (False, False)


def chatting(base: PreTrainedTokenizerFast, *, listed: bool) -> PreTrainedTokenizerFast:
    """A tokenizer with the marks of a chat, by themselves or among the special ones that it lists."""
    marks = [AddedToken(mark, special=True) for mark in ("<|im_start|>", "<|im_end|>")]
    if listed:
        base.add_special_tokens({"extra_special_tokens": marks})
    else:
        base.add_tokens(marks, special_tokens=True)
    base.add_tokens([AddedToken("<think>", special=False)])
    return base


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("base", [byte_tokenizer, word_tokenizer])
def test_a_pasted_chat_has_the_special_tokens_of_its_ids(base, listed):
    tokenizer = chatting(base(), listed=listed)
    units = from_text(tokenizer, "<|im_start|>the cat<think> sat<|im_end|>")
    by_ids = units_from_ids(tokenizer, units.ids)
    marks = [label for label, special in zip(units.labels, units.special, strict=True) if special]
    assert [mark for mark in marks if mark[0] == "<"] == ["<|im_start|>", "<|im_end|>"]
    assert "<think>" in units.labels
    for name in ("labels", "special", "texts"):
        assert getattr(by_ids, name) == getattr(units, name)


def test_a_mask_in_a_text_is_as_special_as_by_its_id():
    tokenizer = word_tokenizer()
    units = from_text(tokenizer, "the [MASK] sat")
    assert units.special == (True, False, True, False, True)
    assert units_from_ids(tokenizer, units.ids).special == units.special


def test_an_unknown_word_is_text_from_either():
    tokenizer = word_tokenizer()
    units = from_text(tokenizer, "the 你 sat")
    assert units.labels[2] == "[UNK] 你"
    assert units_from_ids(tokenizer, units.ids).special == units.special
    assert units.special == (True, False, False, False, True)


def test_an_end_that_also_stands_for_the_unknown_is_special():
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<|end|>", "unk_token": "<|end|>"})
    units = from_text(tokenizer, "the<|end|>cat")
    number = tokenizer.eos_token_id
    assert special_ids(tokenizer) >= {number}
    assert units.special[units.ids.index(number)]
    assert units_from_ids(tokenizer, units.ids).special == units.special
