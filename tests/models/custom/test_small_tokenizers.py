"""Small tokenizers: what is a token, and what comes back."""

from __future__ import annotations

import pytest

from viz.errors import ConfigError, TextError
from viz.models.custom.small_tokenizers import (
    byte_pair_tokenizer,
    character_tokenizer,
    symbol_tokenizer,
    word_tokenizer,
)

TEXT = "The cat sat.\n\tÄ cat 漢字 👩🏽 e\u0301"


def tokens_of(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


def test_every_character_is_a_token_and_all_come_back():
    tokenizer = character_tokenizer([TEXT])
    assert tokens_of(tokenizer, TEXT) == list(TEXT)
    assert tokenizer.decode(tokenizer(TEXT)["input_ids"]) == TEXT
    assert tokens_of(tokenizer, "xat") == ["[UNK]", "a", "t"]


def test_words_and_punctuation_are_tokens():
    tokenizer = word_tokenizer([TEXT])
    assert tokens_of(tokenizer, "The cat, cat.") == ["The", "cat", "[UNK]", "cat", "."]


def test_capitals_are_read_as_small_letters_where_that_is_wanted():
    tokenizer = word_tokenizer(["The CAT"], lower=True)
    assert tokens_of(tokenizer, "the Cat, THE") == ["the", "cat", "[UNK]", "the"]


def test_the_commonest_words_are_kept_where_there_is_no_room_for_all():
    tokenizer = word_tokenizer(["a a a b b c"], vocab_size=6)
    assert len(tokenizer) == 6
    assert tokens_of(tokenizer, "a b c") == ["a", "b", "[UNK]"]


def test_bytes_leave_nothing_unknown():
    tokenizer = byte_pair_tokenizer(["the cat sat on the mat"] * 3, vocab_size=300)
    assert tokenizer.decode(tokenizer(TEXT)["input_ids"]) == TEXT
    assert "the" in tokens_of(tokenizer, "the cat")


def test_symbols_keep_their_order():
    tokenizer = symbol_tokenizer(["7", "shoe", "ä"])
    assert tokenizer("ä 7 shoe")["input_ids"] == [6, 4, 5]
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda **more: character_tokenizer(["ab"], **more),
        lambda **more: word_tokenizer(["a b"], **more),
        lambda **more: symbol_tokenizer(["a", "b"], **more),
        lambda **more: byte_pair_tokenizer(["ab"], **more),
    ],
)
def test_a_text_begins_and_ends_as_asked(make):
    ids = {
        (start, end): make(start=start, end=end)("a")["input_ids"]
        for start in (False, True)
        for end in (False, True)
    }
    plain = ids[False, False]
    bos, eos = 2, 3
    assert ids[True, True] == [bos, *plain, eos]
    assert ids[True, False] == [bos, *plain]
    assert ids[False, True] == [*plain, eos]


@pytest.mark.parametrize("text", ["", "   "])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(TextError, match="nothing to read"):
        word_tokenizer([text])


def test_a_text_without_characters_is_refused():
    with pytest.raises(TextError, match="nothing to read"):
        character_tokenizer([""])


@pytest.mark.parametrize(
    ("symbols", "message"),
    [(["a b"], "'a b' is empty or holds a space"), ([""], "is empty"), (["a", "a"], "comes twice")],
)
def test_symbols_that_cannot_be_told_apart_are_refused(symbols, message):
    with pytest.raises(TextError, match=message):
        symbol_tokenizer(symbols)


@pytest.mark.parametrize("make", [word_tokenizer, byte_pair_tokenizer])
def test_too_small_a_vocabulary_is_refused(make):
    with pytest.raises(ConfigError, match="The option vocab_size is 3"):
        make(["a"], vocab_size=3)
