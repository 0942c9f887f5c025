"""What is looked at closer, and where its rows are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import viz
from components.panels.compare.zoomed_part import MOST_DRAWN, Part, part_of, whole

TEXT = "The animal didn't cross the street because it was too tired."


def axes(most: int = 50_000):
    ends = st.tuples(st.integers(0, most), st.integers(1, most))
    return ends.map(lambda one: range(one[0], one[0] + one[1]))


parts = st.builds(Part, axes(), axes())


@given(part=parts, data=st.data())
def test_a_row_is_marked_where_it_is_drawn(part, data):
    row = data.draw(st.sampled_from(part.rows))
    place = part.place_of(row)
    assert 0 <= place < min(MOST_DRAWN, len(part.rows))
    assert part.row_at(place) <= row
    assert place + 1 == min(MOST_DRAWN, len(part.rows)) or row < part.row_at(place + 1)
    assert part.place_of(part.row_at(place)) == place


@given(part=parts)
def test_a_row_that_is_not_drawn_is_marked_nowhere(part):
    assert part.place_of(part.rows.start - 1) is None
    assert part.place_of(part.rows.stop) is None
    assert part.row_at(-1) == -1


@given(part=parts, data=st.data())
def test_what_is_in_sight_is_what_is_looked_at_closer(part, data):
    seen = []
    for axis in (part.rows, part.columns):
        drawn = min(MOST_DRAWN, len(axis))
        start = data.draw(st.integers(0, drawn - 1))
        seen += [start, data.draw(st.integers(start + 1, drawn))]
    closer = part.closer(seen)
    assert closer.rows.start == part.row_at(seen[0])
    assert closer.rows.stop == (
        part.rows.stop if seen[1] == min(MOST_DRAWN, len(part.rows)) else part.row_at(seen[1])
    )
    assert set(closer.columns) <= set(part.columns)
    # Closer still, unit by unit in the end.
    assert (
        len(closer.rows) < MOST_DRAWN
        or closer.rows == part.rows
        or len(closer.rows) < len(part.rows)
    )


@pytest.fixture(scope="module")
def comparison():
    trace = viz.capture(viz.load_model("demo"), TEXT)
    return viz.compare(trace, trace, layer=3, head=1, other_head=2)


def test_a_part_is_written_and_read_back(comparison):
    part = Part(range(3, 9), range(2, 15))
    assert part_of(comparison, part.written()) == part


@pytest.mark.parametrize("span", ["", "5-5,0-3", "9-2,0-3", "400-500,0-3", "0-3,400-500"])
def test_the_whole_is_shown_where_a_span_names_nothing(comparison, span):
    assert part_of(comparison, span) == whole(comparison)


def test_a_span_ends_where_the_text_does(comparison):
    rows = len(comparison.rows)
    assert part_of(comparison, "2-999,0-1") == Part(range(2, rows), range(1))


@given(row=st.integers(0, 999), start=st.integers(0, 899), columns=axes(999))
def test_a_part_moves_to_a_row_that_is_not_in_it_and_keeps_its_size(row, start, columns):
    every = Part(range(1_000), range(1_000))
    rows = range(start, start + 100)
    for part in (Part(rows, rows), Part(rows, columns)):
        moved = part.around(row, every)
        assert row in moved.rows
        assert len(moved.rows) == 100
        assert set(moved.rows) <= set(every.rows)
        assert moved.columns == (moved.rows if part.columns == rows else columns)
    assert Part(rows, columns).around(start, every) == Part(rows, columns)
