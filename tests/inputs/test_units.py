"""What a person reads on the axes."""

from __future__ import annotations

import json

import pytest

from tests.models.folders import byte_tokenizer, word_tokenizer
from viz.inputs.units import Units, units_from_encoding, units_from_ids, visible

TEXTS = [
    "the cat sat",
    "你好 世界",
    "สวัสดี",
    "مرحبا بالعالم",
    "family 👩‍👩‍👧 and 👍🏽",
    "line\nbreak\tand  spaces",
    "<script>alert(1)</script>",
    "e\u0301 combining",
]


def encoded(tokenizer, text, pair=None):
    encoding = tokenizer(text, pair, return_special_tokens_mask=True, return_offsets_mapping=True)
    return units_from_encoding(tokenizer, encoding, text, pair)


@pytest.mark.parametrize("text", TEXTS)
def test_every_character_is_covered_and_none_is_mojibake(text):
    units = encoded(byte_tokenizer(), text)
    covered = {place for span in units.spans for place in range(*span)}
    assert covered == set(range(len(text)))
    assert not any("Ġ" in label or "�" in label for label in units.labels)


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_of_a_character_say_which_character_and_which_piece(text):
    units = encoded(byte_tokenizer(), text)
    pieces = [label for label, piece in zip(units.labels, units.texts, strict=True) if not piece]
    assert all(label.split()[-1].count("/") == 1 for label in pieces)
    assert all(label[0] in visible(text) for label in pieces)


def test_white_space_is_visible():
    assert visible(" a\tb\n") == "·a⇥b⏎"
    assert visible("\x01\x7f") == "␁␡"


def test_joined_emoji_and_marks_stay_one_word():
    units = encoded(byte_tokenizer(), "x 👩‍👩‍👧 y")
    assert max(word for word in units.words if word is not None) == 2
    units = encoded(byte_tokenizer(), "e\u0301t")
    assert set(units.words) == {0}


def test_a_pair_numbers_its_words_on_and_marks_its_segments():
    units = encoded(word_tokenizer(), "the cat", "the mat")
    assert units.special == (True, *units.special[1:-1], True)
    words = [word for word in units.words if word is not None]
    assert words == sorted(words)
    first = {w for w, s in zip(units.words, units.segments, strict=True) if s == 0}
    second = {w for w, s in zip(units.words, units.segments, strict=True) if s == 1}
    assert first & second <= {None}


def test_sub_words_lose_their_marks_and_share_a_word():
    tokenizer = word_tokenizer()
    units = encoded(tokenizer, "catdog")
    assert not any("##" in label for label in units.labels)
    assert {word for word in units.words if word is not None} == {0}
    by_ids = units_from_ids(tokenizer, units.ids)
    assert by_ids.labels == units.labels
    assert by_ids.special == units.special


def test_units_survive_json():
    units = encoded(word_tokenizer(), "the cat", "the mat")
    assert Units.from_json(json.loads(json.dumps(units.to_json()))) == units


def test_a_part_is_a_slice_of_every_field():
    units = encoded(byte_tokenizer(), "the cat sat")
    part = units.part(1, 3)
    assert len(part) == 2
    assert part.labels == units.labels[1:3]
