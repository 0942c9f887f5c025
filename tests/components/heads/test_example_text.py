"""The text around an example: nothing of it is markup, and both tokens stand where they are."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as some

from components.panels.heads.example_text import AROUND, BETWEEN, Place, example_html

TEXT = "the cat sat on the mat"
CAT, MAT = Place("·cat", 3, 7), Place("·mat", 18, 22)


def bare(written):
    return re.sub(r"<[^>]*>", "", written)


def test_the_query_is_outlined_the_key_filled_and_a_line_leads_from_one_to_the_other():
    written = example_html(TEXT, MAT, CAT, 0.5)
    assert '<span class="loupe-key">cat</span>' in written
    assert '<span class="loupe-query">mat</span>' in written
    assert (
        '<span class="loupe-edge" style="border-bottom-width:2.5px"> sat on the</span>' in written
    )
    assert bare(written) == TEXT


def test_a_token_that_looks_at_itself_is_marked_as_both():
    written = example_html(TEXT, CAT, CAT, 1)
    assert '<span class="loupe-query loupe-key">cat</span>' in written
    assert bare(written) == TEXT


def test_a_token_of_no_text_is_named_where_it_stands():
    assert bare(example_html(TEXT, CAT, Place("[CLS]", 0, 0), 0.5)) == f"[CLS]{TEXT}"
    assert bare(example_html(TEXT, CAT, Place("[SEP]", 22, 22), 0.5)) == f"{TEXT}[SEP]"


def test_what_stands_in_another_text_is_named_before_this_one():
    written = example_html(TEXT, Place("</s>", -1, -1), CAT, 0.5)
    assert bare(written) == f"&lt;/s&gt; · {TEXT}"
    both = example_html(TEXT, Place("<s>", -1, -1), Place("a", -1, -1), 0.5)
    assert bare(both) == "&lt;s&gt; a"


def test_a_long_text_is_shown_around_both_tokens_alone():
    text = "x" * 1_000
    written = bare(example_html(text, Place("x", 200, 201), Place("x", 800, 801), 0.5))
    assert written.count("…") == 3
    assert len(written) < 2 * (AROUND + BETWEEN) + 20


places = some.integers(0, 40)


@given(text=some.text(min_size=40, max_size=60), ends=some.tuples(places, places, places, places))
def test_whatever_the_text_holds_only_our_own_markup_is_written(text, ends):
    query, key = (Place("<i>", *sorted(pair)) for pair in (ends[:2], ends[2:]))
    written = example_html(text, query, key, 0.3)
    tags = set(re.findall(r"<[^>]*>", written))
    assert all(
        re.fullmatch(r'</?(div|span)( (dir|class|style)="[\w\-:. ]*")*>', tag) for tag in tags
    )
