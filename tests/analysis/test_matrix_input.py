"""Matrices that people type or paste."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.analysis.matrix_input import LARGEST, matrix_of, read_matrix, written
from viz.errors import LoupeError, ShapeError


@pytest.mark.parametrize(
    "text",
    [
        "1 0.5\n-2 3",
        "1, 0.5\n-2, 3\n",
        "1 0.5; -2 3",
        "[[1, 0.5], [-2, 3]]",
        "[[1.0 0.5]\n [-2.0 3.0]]",
        "1\t0.5\n-2\t3",
        "(1, 0.5), (-2, 3)".replace("), (", ");("),
        "1,0.5\n-2,3",
        "1 ,0.5\n-2 ,3",
        "1 0.50\n\u22122.00 3",
        "1 5e-1\n\u20132 3.",
    ],
)
def test_a_matrix_is_read_however_it_is_written(text):
    assert read_matrix("X", text).tolist() == [[1, 0.5], [-2, 3]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "X is empty"),
        ("  \n ", "X is empty"),
        ("[]", "X is empty"),
        ("1 2\n3", "rows of 1 and of 2 numbers"),
        ("1 two", "'two' in row 1, column 2 of X is not a number"),
        ("1 nan", "no number in row 1, column 2"),
        ("1 inf", "too large"),
        ("1 1e300", "too large"),
        ("\n".join("1" for _ in range(11)), "11 rows"),
        ("1 " * 13, "13 columns"),
        ("1 1_5", "'1_5' in row 1, column 2 of X is not a number"),
        ("1,5 2 3", "'1,5 2 3' of X a comma may part two numbers or stand inside one"),
        ("1 2\n0,5\t1,5", "a comma may part"),
        ("1,5, 2,5", "a comma may part"),
        ("1,5 | 2,5", "a comma may part"),
    ],
)
def test_what_is_no_matrix_is_said_with_its_place(text, words):
    with pytest.raises(ShapeError, match=words):
        read_matrix("X", text)


@pytest.mark.parametrize("cell", [None, math.nan, "", " "])
def test_an_empty_cell_is_said(cell):
    with pytest.raises(ShapeError, match="no number in row 2, column 1 of W_K"):
        matrix_of("W_K", [[1.0, 2.0], [cell, 3.0]])


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("1,5", "as 1.5"),
        ("abc", "as 0.5"),
        ("1e", "as 0.5"),
        ("1,2,3", "as 0.5"),
        (["1"], "as 0.5"),
    ],
)
def test_a_cell_that_is_no_number_is_said_as_it_was_typed(cell, hint):
    with pytest.raises(ShapeError, match="in row 1, column 2 of X is not a number") as caught:
        matrix_of("X", [["1", cell]])
    assert repr(cell) in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(("cell", "number"), [("1e3", 1000), (" .5 ", 0.5), ("\u22121.50", -1.5)])
def test_a_cell_is_read_as_it_is_typed(cell, number):
    assert matrix_of("X", [[cell]]).item() == number


@given(st.floats(-LARGEST, LARGEST))
def test_a_number_is_written_so_that_it_is_read_again(number):
    assert matrix_of("X", [[written(number)]]).item() == number
    assert not written(number).endswith(".0")


@given(st.text(max_size=60))
def test_any_text_is_a_matrix_or_a_sentence(text):
    matrix = tried(text)
    if isinstance(matrix, LoupeError):
        assert matrix.hint
        return
    assert matrix.isfinite().all()
    assert matrix.numel()


def tried(text):
    try:
        return read_matrix("X", text)
    except LoupeError as error:
        return error
