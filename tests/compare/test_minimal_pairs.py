"""Minimal pairs from edits, templates and tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.compare import edited, filled, from_csv
from viz.errors import LoupeError

BASE = "The animal saw the dog, and it was with it."
TEMPLATE = "The {animal|dog|} didn't cross the {street|road}."


def texts(variants):
    return [variant.text for variant in variants]


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ("animal -> cat", "The cat saw the dog, and it was with it."),
        ("animal → cat", "The cat saw the dog, and it was with it."),
        ("it -> he", "The animal saw the dog, and he was with he."),
        ("it[2] -> he", "The animal saw the dog, and it was with he."),
        ("wit -> pat", "The animal saw the dog, and it was path it."),
        ("the ->", "The animal saw dog, and it was with it."),
        ("with it ->", "The animal saw the dog, and it was."),
        ("The animal ->", "saw the dog, and it was with it."),
        ("A text of its own.", "A text of its own."),
    ],
)
def test_an_edit_makes_one_text_of_the_base(edit, text):
    made = edited(BASE, [edit])
    assert made.base.text == BASE
    assert texts(made.others) == [text]


def test_words_are_found_where_a_script_puts_no_spaces():
    assert texts(edited("他说，他们走了。", ["他[1] -> 她"]).others) == ["她说，他们走了。"]


def test_brackets_that_stand_in_the_base_are_text():
    assert texts(edited("a[1] is a list", ["a[1] -> a[2]"]).others) == ["a[2] is a list"]


def test_variants_are_named_by_what_differs():
    made = edited("It was too tired.", ["It was too wide.", "tired -> wide", "It -> She"])
    assert [one.title for one in made] == ["base", "tired. → wide.", "It → She"]
    assert made.repeated == ("tired → wide",)


def test_one_slot_at_a_time_differs_from_the_base():
    made = filled(TEMPLATE)
    assert texts(made) == [
        "The animal didn't cross the street.",
        "The dog didn't cross the street.",
        "The didn't cross the street.",
        "The animal didn't cross the road.",
    ]
    assert [one.title for one in made] == ["base", "animal → dog", "animal →", "street → road"]


def test_an_arrow_without_spaces_is_meant_where_nothing_else_could_be():
    assert texts(edited("a cat sat", ["cat->dog", "cat→cow", "it went a->b"])) == [
        "a cat sat",
        "a dog sat",
        "a cow sat",
        "it went a->b",
    ]


def test_every_combination_is_made_where_asked_for():
    made = filled(TEMPLATE, every=True)
    assert len(made) == 6
    assert made.base.text == "The animal didn't cross the street."
    assert "animal → dog, street → road" in [one.title for one in made]


def test_a_slot_at_the_end_and_slots_side_by_side_leave_no_gap():
    assert texts(filled("the {big|} {old|} dog {slept|}.", every=True))[-1] == "the dog."


@given(st.text(alphabet="ab {}|", max_size=30))
def test_doubled_braces_are_text(text):
    literal = text.replace("{", "{{").replace("}", "}}")
    made = filled(f"{literal}/{{x|y}}")
    assert texts(made) == [f"{text}/x", f"{text}/y"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_has_texts_with_delimiters_and_line_ends_in_quotes(mark, delimiter):
    table = (
        f'note{delimiter}Text\r\na{delimiter}"One, two"\r\n\r\nb{delimiter}"Three;\r\n""four"""\r\n'
    )
    made = from_csv((mark + table).encode())
    assert texts(made) == ["One, two", 'Three;\r\n"four"']


def test_a_table_of_one_column_needs_no_quotes():
    made = from_csv(b"text\nFirst, one\nFirst, other\n")
    assert texts(made) == ["First, one", "First, other"]
    assert made.others[0].title == "one → other"


def test_a_table_fills_slots_by_their_names():
    made = from_csv(b"animal,title,street\ndog,one,road\ncat,,street\n", TEMPLATE)
    assert [(one.title, one.text) for one in made.others] == [
        ("one", "The dog didn't cross the road."),
        ("animal → cat", "The cat didn't cross the street."),
    ]


def test_texts_of_a_table_are_laid_beside_the_base_that_is_given():
    assert texts(from_csv(b"text\nIt slept.\n", "It {ran}.")) == ["It ran.", "It slept."]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: filled("The {animal"), "brace at character 5 .* is not closed"),
        (lambda: filled("The {a {b}"), "is not closed before another"),
        (lambda: filled("The {} x"), "a slot without choices"),
        (lambda: filled("The a} x"), "closes a slot that was never opened"),
        (lambda: filled("The {animal} x"), "no slot with two choices"),
        (lambda: filled("{a|}"), "The text of 'a →' is empty"),
        (lambda: filled("{a|b}" * 9, every=True), "makes 512 texts"),
        (lambda: filled("{" + "|".join(map(str, range(201))) + "}"), "makes 201 texts"),
        (lambda: edited(BASE, ["cow -> dog"]), "has no 'cow', which edit 1"),
        (lambda: edited(BASE, ["", "it[3] -> he"]), "'it' 2 times, and edit 2"),
        (lambda: edited(BASE, ["-> dog"]), "does not say one text"),
        (lambda: edited(BASE, ["->dog"]), "does not say one text"),
        (lambda: from_csv(b"text\n" + b"a\n" * 200, TEMPLATE), "makes 201 texts"),
        (lambda: edited(BASE, ["a -> b -> c"]), "does not say one text"),
        (lambda: edited(BASE, ["it -> it"]), "No variant differs"),
        (lambda: edited(BASE, ["x"] * 200), "makes 201 texts"),
        (lambda: edited(" ", ["x"]), "The base text is empty"),
        (lambda: edited("x " * 60_000, ["x -> y"]), "120,000 characters"),
        (lambda: from_csv(b""), "no row below"),
        (lambda: from_csv(b"text\n"), "no row below"),
        (lambda: from_csv(b"a,b\n1,2\n"), "no column 'text'; it has 'a', 'b'"),
        (lambda: from_csv(b"a\n1\n", TEMPLATE), "no column 'text' nor 'animal' or 'street'"),
        (
            lambda: from_csv(b"animal\ndog\n", TEMPLATE),
            "slot 'street' has no column in the CSV; it has 'animal'",
        ),
        (
            lambda: from_csv(b"animal,street,verb\ndog,road,ran\n", TEMPLATE),
            "column 'verb' is no slot of the template, which has 'animal', 'street'",
        ),
        (lambda: from_csv(b"text,text\n1,2\n"), "two columns 'text'"),
        (lambda: from_csv(b"text,b\n1,2,3\n"), "line 2 of the CSV has 3 cells"),
        (lambda: from_csv(b'text,b\n"1,2\n'), "cannot be read at line 2"),
        (lambda: from_csv(b"text\nsame\nsame\n"), "No variant differs"),
        (lambda: from_csv(b"text\n" + b"a\n" * 201), "makes 201 texts"),
        (lambda: from_csv(b"\x89PNG\r\n"), "no text in UTF-8: byte 0"),
        (lambda: from_csv(b"text\n\0\n"), "zero byte"),
        (lambda: from_csv(b"text\n" + b"a" * 1_000_000), "1,000,005 bytes"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence_with_what_to_do(make, said):
    with pytest.raises(LoupeError, match=said) as refused:
        make()
    assert refused.value.hint
