"""Every token belongs to the word in which its first character lies that is no space, whatever the tokenizer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import spacy
from hypothesis import given, settings

from tests.survey.test_windows import TEXTS, TOKENIZERS
from viz.errors import InputError
from viz.inputs.units import units_from_encoding, units_from_ids
from viz.survey.grammar.parsed_text import (
    NONE,
    NUMBERS,
    PART_NAMES,
    ParsedText,
    parse,
    parts_of,
    words_of,
)
from viz.survey.grammar.pipelines import Pipeline
from viz.survey.texts.window_cutting import readable

pytestmark = pytest.mark.filterwarnings("ignore:This sequence already has </s>")


@pytest.fixture(scope="module")
def english():
    return Pipeline("en_blank", "1.0", spacy.__version__, (), spacy.blank("en"))


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


def units_of(tokenizer, text):
    if not tokenizer.is_fast:
        return units_from_ids(tokenizer, tokenizer(text)["input_ids"], text)
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    return units_from_encoding(tokenizer, encoded, text, None)


def laid_over(tokenizer, pipeline, text):
    """Each token that belongs to a word, and that word."""
    units, parsed = units_of(tokenizer, text), parse(pipeline, text)
    words = words_of(units, parsed).tolist()
    named = [
        (label, text[parsed.starts[word] : parsed.stops[word]])
        for label, word in zip(units.labels, words, strict=True)
        if word >= 0
    ]
    assert all(not units.special[at] for at, word in enumerate(words) if word >= 0)
    return named


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("minilm", "He didn't.", [("he", "He"), ("didn", "did"), ("'", "n't"), ("t", "n't"), (".", ".")]),
        ("minilm", "e\u0301tude", [("et", "e\u0301tude"), ("ude", "e\u0301tude")]),
        ("smollm2", "An old cat", [("An", "An"), ("·old", "old"), ("·cat", "cat")]),
        ("smollm2", "a \n\n b", [("a", "a"), ("·b", "b")]),
        ("smollm2", "a 👩", [("a", "a"), ("·👩 1/3", "👩"), ("👩 2/3", "👩"), ("👩 3/3", "👩")]),
        ("loupe", "猫が。", [*((f"猫 {n}/3", "猫が") for n in (1, 2, 3)), *((f"が {n}/3", "猫が") for n in (1, 2, 3)),
                            *((f"。 {n}/3", "。") for n in (1, 2, 3))]),
        ("sentencepiece", "dog T", [("·d", "dog"), ("o", "dog"), ("g", "dog"), ("T", "T")]),
        ("bytes, without offsets", "a é", [("a", "a"), ("é 1/2", "é"), ("é 2/2", "é")]),
    ],
)  # fmt: skip
def test_tokens_are_laid_over_words(name, text, expected, english):
    assert laid_over(TOKENIZERS[name](), english, text) == expected


@given(text=TEXTS)
@settings(max_examples=25)
def test_a_token_lies_in_its_word_and_words_never_fall(tokenizer, english, text):
    text = readable(text)
    units, parsed = units_of(tokenizer, text), parse(english, text)
    words = words_of(units, parsed)
    known = [(span, word) for span, word in zip(units.spans, words, strict=True) if word >= 0]
    for (start, stop), word in known:
        first = len(text) - len(text[start:].lstrip())
        assert parsed.starts[word] <= first < min(stop, parsed.stops[word])
    assert all(a <= b for (_, a), (_, b) in pairwise(known))


def test_parts_of_speech_are_those_of_words_and_none_of_no_word():
    parsed = ParsedText("a b", (0, 2), (1, 3), (NUMBERS["DET"], NUMBERS["NOUN"]), ())
    found = parts_of(np.array([-1, 0, 1, 1]), parsed)
    assert [PART_NAMES[one] for one in found] == ["none", "DET", "NOUN", "NOUN"]
    assert parts_of(np.array([-1]), ParsedText("", (), (), (), ())).tolist() == [NONE]


def test_a_pipeline_tells_words_parts_and_what_they_depend_on(pipeline):
    text = "The old cat  saw it\n\nat once"
    parsed = parse(pipeline, text)
    named = [text[a:b] for a, b in zip(parsed.starts, parsed.stops, strict=True)]
    assert named == ["The", "old", "cat", "saw", "it", "at", "once"]
    assert [PART_NAMES[one] for one in parsed.parts[:5]] == ["DET", "ADJ", "NOUN", "VERB", "PRON"]
    arcs = {(named[one.dependant], one.relation, named[one.head]) for one in parsed.arcs}
    assert {("The", "det", "cat"), ("old", "amod", "cat"), ("cat", "nsubj", "saw")} <= arcs
    assert ("it", "obj", "saw") in arcs


def test_a_text_that_is_too_long_for_a_pipeline_is_said(english):
    with pytest.raises(
        InputError, match=r"1,000,001 characters; the spaCy pipeline en_blank reads 1,000,000"
    ):
        parse(english, "a" * 1_000_001)
