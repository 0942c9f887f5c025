"""Worked lessons: what each switch breaks, and what a text or numbers become."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viz.analysis.worked_example import (
    MOST_TOKENS,
    Switches,
    numbers_lesson,
    text_lesson,
    textbook_lesson,
    work,
)
from viz.analysis.worked_example_measures import measures, output_change
from viz.errors import ConfigError, LoupeError, ShapeError, TextError, TextTooLongError
from viz.models.custom import attention_steps as steps

TEXT = "the cat sat on the mat"


def close(found, expected, allowed=1e-12):
    torch.testing.assert_close(found, expected, atol=allowed, rtol=0)


def test_the_last_step_is_what_the_fast_kernel_gives():
    worked = work(text_lesson(TEXT))
    close(worked.attention(worked.tokens)[0], worked.steps.output)


def test_each_step_follows_from_the_one_before():
    worked = work(text_lesson(TEXT))
    done = worked.steps
    close(done.scaled, done.scores / math.sqrt(3))
    close(done.weights, torch.softmax(done.masked, -1))
    close(done.heads, done.weights @ done.value)
    close(done.output, done.joined @ worked.lesson.output)


def test_a_word_has_the_same_embedding_wherever_it_stands():
    one, other = text_lesson("the cat"), text_lesson("a dog saw the cat")
    close(one.embeddings, other.embeddings[-2:])
    assert not torch.equal(one.embeddings[0], one.embeddings[1])


def test_two_lessons_of_one_text_are_the_same():
    close(work(text_lesson(TEXT)).steps.output, work(text_lesson(TEXT)).steps.output)


def test_words_and_marks_of_any_script_are_tokens():
    assert text_lesson("Don't stop!").labels == ("Don", "'", "t", "stop", "!")
    assert text_lesson("猫 坐").labels == ("猫", "坐")
    assert text_lesson("القطة نامت").labels == ("القطة", "نامت")
    assert text_lesson("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645").labels == (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    )


def test_an_emoji_of_several_parts_is_one_token():
    family, thumb = "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd"
    assert text_lesson(f"{family}{thumb} hi").labels == (family, thumb, "hi")


def test_a_letter_that_is_written_in_two_ways_is_one():
    lesson = text_lesson("caf\u00e9 cafe\u0301")
    assert lesson.labels == ("caf\u00e9", "caf\u00e9")
    assert torch.equal(*lesson.embeddings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("   ", "only spaces"),
        ("a " * (MOST_TOKENS + 1), "11 tokens"),
        ("a\x00", "null"),
    ],
)
def test_a_text_that_cannot_be_worked_is_said(text, words):
    with pytest.raises((TextError, TextTooLongError), match=words):
        text_lesson(text)


def test_three_characters_are_a_text():
    assert work(text_lesson("abc")).steps.output.shape == (1, 6)


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_any_short_text_is_worked_or_refused_with_a_sentence(text):
    worked = tried(text)
    if isinstance(worked, LoupeError):
        assert worked.hint
        return
    assert bool(torch.isfinite(worked.steps.output).all())
    close(worked.steps.weights.sum(-1), torch.ones(2, len(worked.lesson.labels)).double(), 1e-9)


def tried(text):
    try:
        return work(text_lesson(text))
    except LoupeError as error:
        return error


def test_without_scaling_weights_crowd_onto_fewer_tokens():
    usual, broken = (measures(work(text_lesson(TEXT), Switches(scaled=on))) for on in (True, False))
    assert broken.entropy_nats < usual.entropy_nats
    assert broken.largest > usual.largest


def test_without_a_mask_weight_goes_to_later_tokens():
    assert measures(work(text_lesson(TEXT))).ahead == 0
    assert measures(work(text_lesson(TEXT), Switches(masked=False))).ahead > 0.1


def test_without_positions_order_does_not_count():
    assert measures(work(text_lesson(TEXT))).order > 0.01
    assert measures(work(text_lesson(TEXT), Switches(positions=False))).order < 1e-12


def test_without_projections_looking_is_mutual():
    assert measures(work(text_lesson(TEXT))).asymmetry > 1
    assert measures(work(text_lesson(TEXT), Switches(projections=False))).asymmetry < 1e-12


def test_one_head_has_one_pattern():
    worked = work(text_lesson(TEXT), Switches(several=False))
    assert worked.steps.weights.shape[0] == 1
    assert measures(worked).between_heads == 0
    assert measures(work(text_lesson(TEXT))).between_heads > 0.1


@pytest.mark.parametrize(("temperature", "largest"), [(0.01, 0.99), (100.0, 0.45)])
def test_temperature_goes_from_one_token_to_all_alike(temperature, largest):
    found = measures(work(text_lesson(TEXT), Switches(temperature=temperature))).largest
    # Under the mask the rows of 6 tokens that are flat have 1, 1/2, ... 1/6 as their largest weight.
    assert found == pytest.approx(largest, abs=0.04)


def test_without_the_output_projection_the_joined_heads_come_out():
    done = work(text_lesson(TEXT), Switches(output=False)).steps
    close(done.output, done.joined)


def test_a_temperature_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="temperature"):
        work(text_lesson(TEXT), Switches(temperature=0.0))


def test_the_change_of_the_output_is_a_share_of_its_size():
    usual = work(textbook_lesson())
    doubled = replace(usual, steps=replace(usual.steps, output=2 * usual.steps.output))
    assert output_change(usual, usual) == 0
    assert output_change(usual, doubled) == pytest.approx(1)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(3, 3), (2, 3), (3, 3), (3, 3)], "W_Q has 2 rows, and X has 3 columns"),
        ([(3, 3), (3, 3), (3, 2), (3, 3)], "queries of width 3 and W_K keys of width 2"),
        ([(3, 3), (3, 3), (3, 3), (4, 3)], "W_V has 4 rows"),
    ],
)
def test_matrices_that_do_not_fit_are_said(shapes, words):
    with pytest.raises(ShapeError, match=words):
        numbers_lesson(*(torch.ones(shape, dtype=torch.float64) for shape in shapes))


def test_heads_that_do_not_divide_the_columns_are_said():
    given = [torch.ones(3, 3, dtype=torch.float64)] * 4
    with pytest.raises(ShapeError, match="2 heads"):
        numbers_lesson(*given, heads=2)


def test_the_steps_are_those_of_the_models():
    """A formula that is changed there changes here: nothing is copied."""
    worked = work(textbook_lesson())
    close(worked.steps.weights, steps.softmax(worked.steps.masked))
    assert type(worked.attention).__module__ == "viz.models.custom.attention_module"


@pytest.mark.parametrize("masked", [False, True])
def test_without_positions_order_is_lost_but_for_what_a_mask_hides(masked):
    lesson, turned = text_lesson("a dog saw me"), text_lesson("saw a dog me")
    one, other = (
        work(given, Switches(positions=False, masked=masked)).steps.output
        for given in (lesson, turned)
    )
    close(other[-1], one[-1])
    place = [lesson.labels.index(label) for label in turned.labels]
    assert torch.allclose(other, one[place]) is not masked
