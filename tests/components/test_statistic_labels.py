"""What numbers are called follows what the axes count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.panels.statistic_labels import left_out, size_of, statistics_of, unheard
from viz.capture.stack import Stack
from viz.inputs.units import extended, numbered_units, patch_units

TOKENS, FRAMES = numbered_units("token", 4), numbered_units("frame", 1500)
PATCHES = patch_units(4, 4, before=1)


def stack(queries, keys, name="self"):
    return Stack(name, (), queries, keys)


@pytest.mark.parametrize("units", [TOKENS, FRAMES, PATCHES])
def test_only_a_model_of_tokens_speaks_of_tokens(units):
    said = " ".join(
        f"{words.name} {words.short} {words.unit} {words.meaning}"
        for words in statistics_of(stack(units, units)).values()
    )
    assert ("token" in said) == (units.kind == "token")
    assert f"mean distance ({units.kind}" in said


def test_a_class_token_before_the_patches_is_called_by_its_name():
    words = statistics_of(stack(PATCHES, PATCHES))
    assert (words["first"].name, words["first"].short) == ("weight on [CLS]", "[CLS]")
    assert statistics_of(stack(TOKENS, TOKENS))["first"].name == "weight on the first token"


def test_where_tokens_look_at_frames_there_is_no_distance_and_the_reason_is_said():
    cross = stack(TOKENS, FRAMES, "cross")
    assert list(statistics_of(cross)) == ["entropy", "first"]
    assert left_out(cross) == "No distance, current or previous frame: tokens attend to frames."
    assert size_of(cross) == "4 tokens x 1,500 frames"
    other = stack(TOKENS, replace(TOKENS, labels=("a", "b", "c", "d")), "cross")
    assert left_out(other).endswith("the tokens are those of another text.")
    assert (left_out(stack(TOKENS, TOKENS)), size_of(stack(TOKENS, TOKENS))) == ("", "4 x 4 tokens")


def test_queries_that_stand_among_the_keys_have_a_distance():
    assert stack(TOKENS.part(2, 4), TOKENS).aligned
    assert stack(TOKENS, extended(TOKENS, 6)).aligned
    assert not stack(numbered_units("patch", 1), PATCHES, "vision_pool").aligned
    assert not stack(TOKENS, TOKENS, "cross").aligned


def test_the_part_of_a_sound_that_is_not_heard_is_said_whichever_stack_tells():
    labels = tuple(f"{number / 50:.2f} s" for number in range(1500))
    timed = replace(FRAMES, labels=labels)
    stacks = [stack(TOKENS, TOKENS, "decoder"), stack(TOKENS, timed, "cross")]
    assert unheard(stacks, 42.3) == "The model hears the first 30 s of 42; the rest is left out."
    assert unheard(stacks, 29.9) == ""
    assert unheard([stack(TOKENS, TOKENS), stack(FRAMES, FRAMES)], 42.3) == ""
