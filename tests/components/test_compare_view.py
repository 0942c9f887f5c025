"""What the comparison sends to the browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components.canvas.compare_view import ComparedSide, compare_view, difference_of


def side(weights, **changed):
    rows, columns = np.shape(weights)
    values = {
        "title": "a side",
        "weights": np.asarray(weights, dtype=np.float32),
        "rows": np.ones(rows, dtype=bool),
        "columns": np.ones(columns, dtype=bool),
        "row_labels": ("a",) * rows,
        "column_labels": ("a",) * columns,
        "row_positions": ("0",) * rows,
        "column_positions": ("0",) * columns,
    }
    return ComparedSide(**{**values, **changed})


def test_cells_without_a_partner_have_no_number_and_forbidden_ones_are_minus_infinity():
    one = side(
        [[0.5, 0.5, 0.0], [0.1, 0.9, np.inf], [0.0, 0.0, 0.0]],
        rows=np.array([True, True, False]),
        columns=np.array([True, True, True]),
        attended=np.array([[True, True, False], [True, True, True], [True, True, False]]),
    )
    np.testing.assert_array_equal(
        one.cells(),
        np.array(
            [[0.5, 0.5, -np.inf], [0.1, 0.9, np.nan], [np.nan, np.nan, np.nan]], dtype=np.float32
        ),
    )


def test_what_one_side_may_not_look_at_counts_as_nothing_in_the_difference():
    first = np.array([[0.25, -np.inf, np.nan, -np.inf]], dtype=np.float32)
    second = np.array([[0.5, 0.125, 0.5, -np.inf]], dtype=np.float32)
    np.testing.assert_array_equal(
        difference_of(first, second), np.array([[0.25, 0.125, np.nan, 0.0]], dtype=np.float32)
    )


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((0, 3), (0, 3)), ((2, 0), (2, 0))])
def test_sides_without_common_rows_and_columns_are_refused(shapes):
    few, many = (side(np.zeros(shape)) for shape in shapes)
    with pytest.raises(ValueError, match=re.escape(f"{shapes[0]} and {shapes[1]}")):
        compare_view(few, many, mode="difference", row=None, dark=False, key="compare")


def page_without_numbers():
    import numpy as np
    import streamlit as st

    from components.canvas.compare_view import compare_view
    from tests.components.test_compare_view import side

    nothing = side(np.full((2, 2), np.nan))
    st.text(compare_view(nothing, nothing, mode="overlay", row=1, dark=True, key="compare"))
    st.text(compare_view(nothing, nothing, mode="flicker", row=2, dark=True, key="other"))


@pytest.mark.filterwarnings("error")
def test_sides_without_any_number_are_shown_and_the_chosen_row_stays():
    at = AppTest.from_function(page_without_numbers).run()
    assert not at.exception
    assert at.text[0].value == "1"
    assert at.text[1].value == "None", "there are two rows"
