"""Alignment keeps every unit, whatever the tokenizers, the texts and the order of the sides."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from viz.capture.load_and_wrap_model import load_model
from viz.compare import Alignment, align, coarser, identical
from viz.errors import AlignmentError
from viz.inputs.units import (
    Units,
    numbered_units,
    patch_units,
    units_from_encoding,
    units_from_labels,
)

TEXTS = (
    "The animal didn't cross the street because it was too tired.",
    "這隻動物沒有過馬路，因為牠太累了。",
    "لم يعبر الحيوان الشارع لأنه كان متعبا جدا.",
    "สัตว์ไม่ได้ข้ามถนนเพราะมันเหนื่อยเกินไป",
    "naïve café 👩‍👩‍👧 🇩🇪 👍🏽 ok\n\n\tdef f(x):  return x  ",
    "Zażółć gęślą jaźń — unbelievable, antidisestablishmentarianism!",
)
MODELS = ("demo", "smollm2", "loupe")


@pytest.fixture(scope="module")
def tokenizers():
    return {name: load_model(name).tokenizer for name in MODELS}


def units_of(tokenizer, text: str) -> Units:
    encoding = tokenizer(
        text, return_special_tokens_mask=True, return_offsets_mapping=tokenizer.is_fast
    )
    return units_from_encoding(tokenizer, encoding, text, None)


def aligned(tokenizers, one: str, other: str, text: str, second: str | None = None, **choices):
    second = text if second is None else second
    return align(
        units_of(tokenizers[one], text),
        units_of(tokenizers[other], second),
        sources=((text, ""), (second, "")),
        **choices,
    )


def everything_once(alignment: Alignment, first: Units, second: Units) -> None:
    assert sorted(n for group in alignment.first for n in group) == list(range(len(first)))
    assert sorted(n for group in alignment.second for n in group) == list(range(len(second)))
    assert all(one or other for one, other in zip(alignment.first, alignment.second, strict=True))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("one", MODELS)
@pytest.mark.parametrize("other", MODELS)
def test_one_text_through_two_tokenizers_aligns_every_character(tokenizers, text, one, other):
    alignment = aligned(tokenizers, one, other, text)
    first, second = (units_of(tokenizers[name], text) for name in (one, other))
    everything_once(alignment, first, second)
    for group, partner in zip(alignment.first, alignment.second, strict=True):
        covered = [
            {at for n in numbers if units.spans[n] for at in range(*units.spans[n])}
            for units, numbers in ((first, group), (second, partner))
        ]
        letters = [{at for at in side if not text[at].isspace()} for side in covered]
        # A unit without a partner is special, or white space that the other tokenizer leaves out.
        assert letters[0] == letters[1]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", MODELS)
def test_the_same_units_align_to_themselves(tokenizers, text, name):
    units = units_of(tokenizers[name], text)
    assert aligned(tokenizers, name, name, text) == identical(units)


@pytest.mark.parametrize("text", TEXTS)
def test_swapping_the_sides_transposes(tokenizers, text):
    changed = text.replace("tired", "wide").replace("累", "寬").replace("x", "y")
    there = aligned(tokenizers, "demo", "smollm2", text, changed)
    back = aligned(tokenizers, "smollm2", "demo", changed, text)
    assert back == there.swapped()


words = st.lists(
    st.sampled_from(
        ["the", "cat", "sat", "on", "a", "mat", ".", "動物", "貓", "มัน", "قط", "👍🏽", "ǆ"]
    ),
    min_size=1,
    max_size=12,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(one=words, other=words)
def test_texts_that_share_a_word_keep_every_unit_and_transpose(tokenizers, one, other):
    one, other = f"same {one}", f"{other} same"
    there = aligned(tokenizers, "demo", "smollm2", one, other)
    first, second = units_of(tokenizers["demo"], one), units_of(tokenizers["smollm2"], other)
    everything_once(there, first, second)
    assert aligned(tokenizers, "smollm2", "demo", other, one) == there.swapped()


@settings(max_examples=100, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
@example(text="\x16")  # of which one tokenizer leaves nothing
def test_any_text_through_two_tokenizers_keeps_every_unit(tokenizers, text):
    first, second = (units_of(tokenizers[name], text) for name in ("smollm2", "loupe"))
    sources = ((text, ""), (text, ""))
    alignment = align(first, second, sources=sources)
    everything_once(alignment, first, second)
    assert align(second, first, sources=sources) == alignment.swapped()


def test_the_finest_units_that_both_tokenizers_make_up_are_the_common_ones():
    def cut(*pieces: str) -> Units:
        ends = [0]
        for piece in pieces:
            ends.append(ends[-1] + len(piece))
        base = units_from_labels(pieces)
        spans = tuple(pairwise(ends))
        return Units(**{**base.to_json(), "spans": spans, "words": (0,) * len(pieces)})

    text = ("unbelievable", "")
    alignment = align(
        cut("un", "believ", "able"), cut("unbel", "iev", "a", "ble"), sources=(text, text)
    )
    assert alignment.first == ((0, 1), (2,))
    assert alignment.second == ((0, 1), (2, 3))
    assert alignment.labels == ("unbeliev", "able")


def test_a_word_that_replaces_another_is_its_counterpart(tokenizers):
    alignment = aligned(
        tokenizers, "demo", "demo", "it was too tired .", "it was much too unbelievably wide ."
    )
    said = dict(zip(alignment.labels, alignment.equal, strict=True))
    assert said["tired → unbelievably"] is False
    assert said["too"] is True
    assert alignment.first_labels[alignment.second_labels.index("wide")] == ""


def test_special_tokens_match_by_their_place(tokenizers):
    alignment = aligned(tokenizers, "demo", "loupe", "the cat")
    at = alignment.first_labels.index("[CLS]")
    assert alignment.second_labels[at] == "[BOS]"
    assert not alignment.equal[at]
    assert alignment.second[alignment.first_labels.index("[SEP]")] == ()


def test_a_pairing_of_ones_own_matches_phrases_across_languages(tokenizers):
    alignment = aligned(
        tokenizers,
        "demo",
        "smollm2",
        "The animal was tired.",
        "Das müde Tier war müde.",
        pairing=[("animal", "Tier"), ("was tired", "war müde")],
    )
    pairs = [
        label for label, paired in zip(alignment.labels, alignment.paired, strict=True) if paired
    ]
    assert pairs == ["animal → Tier", "was·tired → war·müde"]
    assert alignment.second_labels[2:5] == ("·m", "ü", "de")
    assert "." in alignment.second_labels


def test_a_phrase_that_is_named_again_means_its_next_place(tokenizers):
    text, other = "the cat saw the dog", "die Katze sah die Maus"
    alignment = aligned(
        tokenizers, "demo", "demo", text, other, pairing=[("the", "die"), ("the", "die")]
    )
    first = units_of(tokenizers["demo"], text)
    numbers = [n for n, label in enumerate(first.labels) if label == "the"]
    for number in numbers:
        at = alignment.first.index((number,))
        assert alignment.second_labels[at] == "die"


@pytest.mark.parametrize(
    ("pairing", "said"),
    [
        ([("dog", "Tier")], "The first text has no 'dog'"),
        ([("animal", "Tier"), ("animal", "Tier")], "The first text has no 'animal' once more"),
        ([("animal", "")], "The second text has no ''"),
    ],
)
def test_a_phrase_that_is_not_there_is_named(tokenizers, pairing, said):
    with pytest.raises(AlignmentError, match=said):
        aligned(tokenizers, "demo", "demo", "the animal", "das Tier", pairing=pairing)


def test_texts_without_a_common_word_are_refused_with_what_to_do(tokenizers):
    with pytest.raises(AlignmentError, match=r"no word in common.*one pair of words a line"):
        aligned(tokenizers, "demo", "demo", "the animal.", "das Tier.")


def test_twenty_thousand_words_align_with_five(tokenizers):
    many = " ".join(f"word{n % 97}" for n in range(20_000))
    first = units_from_labels([f" {word}" for word in many.split()])
    second = units_from_labels([" word3", " word4", " unknown", " word6", " end"])
    alignment = align(first, second)
    everything_once(alignment, first, second)
    assert alignment.paired.sum() >= 3


def test_words_become_the_common_units_when_asked(tokenizers):
    text = "unbelievable antidisestablishmentarianism"
    alignment = aligned(tokenizers, "smollm2", "smollm2", text, words=True)
    assert list(alignment.labels) == text.split()


def test_position_matches_the_first_with_the_first():
    alignment = align(units_from_labels("abc"), units_from_labels("xb"), how="position")
    assert alignment.first == ((0,), (1,), (2,))
    assert alignment.second == ((0,), (1,), ())


def test_units_of_one_position_are_equal_where_they_read_the_same():
    alignment = align(
        units_from_labels(["cat", "dog"]), units_from_labels(["mouse", "dog"]), how="position"
    )
    assert alignment.labels == ("cat → mouse", "dog")
    assert alignment.equal == (False, True)


def test_words_that_differ_in_case_are_counterparts(tokenizers):
    alignment = aligned(tokenizers, "smollm2", "smollm2", "The cat saw it", "the cat saw It")
    assert alignment.labels == ("The → the", "cat", "saw", "it → It")


def test_patches_match_by_the_part_of_the_picture_that_they_cover():
    alignment = align(patch_units(4, 4, before=1), patch_units(2, 2))
    everything_once(alignment, patch_units(4, 4, before=1), patch_units(2, 2))
    assert alignment.first[alignment.second.index((0,))] == (1, 2, 5, 6)


def test_what_stands_before_the_patches_matches_by_its_name():
    alignment = align(patch_units(2, 2, before=1), patch_units(2, 2, before=5))
    everything_once(alignment, patch_units(2, 2, before=1), patch_units(2, 2, before=5))
    assert alignment.labels[0] == "[CLS]"
    alone = [
        label
        for label, paired in zip(alignment.labels, alignment.paired, strict=True)
        if not paired
    ]
    assert alone == ["[REG1]", "[REG2]", "[REG3]", "[REG4]"]


@pytest.mark.parametrize("grids", [((16, 16), (14, 14)), ((3, 4), (4, 3)), ((4, 4), (4, 6))])
def test_patches_that_cover_parts_of_several_are_refused(grids):
    one, other = (patch_units(*grid, before=1) for grid in grids)
    said = " patches, the second's into ".join("{} x {}".format(*grid) for grid in grids)
    with pytest.raises(AlignmentError, match=f"cut into {said}, so that") as caught:
        align(one, other)
    assert "Compare two heads or layers of one of them" in str(caught.value)


def test_patches_whose_places_nobody_knows_match_by_number_alone():
    plain = numbered_units("patch", 16)
    assert align(plain, numbered_units("patch", 16)).paired.all()
    with pytest.raises(AlignmentError, match="Where the second side's patches lie"):
        align(patch_units(4, 4), plain)
    with pytest.raises(AlignmentError, match="Where the first and second side's patches lie"):
        align(plain, numbered_units("patch", 4))


def frames(count, step):
    labels = tuple(f"{number * step:.2f} s" for number in range(count))
    return replace(numbered_units("frame", count), labels=labels)


def test_of_sounds_of_two_lengths_the_same_seconds_belong_together():
    alignment = align(frames(50, 0.02), frames(30, 0.02))
    everything_once(alignment, frames(50, 0.02), frames(30, 0.02))
    assert alignment.first[:30] == alignment.second[:30] == tuple((n,) for n in range(30))
    assert not alignment.in_second[30:].any()
    assert all(alignment.equal[:30])


@pytest.mark.parametrize(("steps", "sizes"), [((0.02, 0.04), (1, 2)), ((0.02, 0.0201), (1, 2))])
def test_of_two_rates_a_frame_belongs_to_the_one_in_which_its_middle_is_heard(steps, sizes):
    one, other = frames(300, steps[0]), frames(int(6 / steps[1]), steps[1])
    for alignment in (align(one, other), align(other, one).swapped()):
        everything_once(alignment, one, other)
        step = steps[1]
        for group, (place,) in zip(alignment.first, alignment.second, strict=True):
            assert len(group) in sizes
            middles = (np.array(group) + 0.5) * steps[0]
            # Times of frames are read off labels of two digits.
            assert (abs(middles - (place + 0.5) * step) <= step / 2 + 0.01).all()


def test_frames_match_by_their_share_where_they_have_no_time():
    alignment = align(numbered_units("frame", 6), numbered_units("frame", 3))
    assert alignment.first == ((0, 1), (2, 3), (4, 5))


def test_units_of_different_kinds_are_refused():
    with pytest.raises(AlignmentError, match="4 patches, the other 2 tokens"):
        align(patch_units(2, 2), units_from_labels("ab"))


def test_coarser_units_keep_every_unit():
    units = numbered_units("token", 1_000)
    alignment = coarser(identical(units), 64)
    assert len(alignment) == 64
    everything_once(alignment, units, units)
