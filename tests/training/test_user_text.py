"""A text of the user's own, made sure of."""

from __future__ import annotations

import io
import zipfile

import pytest

from viz.errors import TextError
from viz.training.user_text import LEAST_CHARACTERS, read_text, require_learnable


def zipped() -> bytes:
    """What a file of a word processor is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("word/document.xml", "<w:t>text</w:t>" * 99)
    return content.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_is_read_in_any_unicode_encoding(encoding):
    text = "Ein Käse, 猫, и кот.\n"
    assert read_text(text.encode(encoding)) == text


def test_line_ends_become_those_of_unix():
    assert read_text(b"one\r\ntwo\r\n") == "one\ntwo\n"
    assert read_text(b"one\rtwo\r") == "one\ntwo\n"


@pytest.mark.parametrize(
    "content",
    [zipped(), b"\x00\x01\x02" * 99, "Käse".encode("latin-1"), b"\xff\xfe\x00", b"\x89PNG\r\n"],
    ids=["zip", "control characters", "latin-1", "half a character", "picture"],
)
def test_a_file_that_is_no_text_is_said(content):
    with pytest.raises(TextError, match=r"notes\.docx is no text that can be read\. Give plain"):
        read_text(content, "notes.docx")


@pytest.mark.parametrize(
    ("text", "said"),
    [("abc", "3 characters"), ("x", "1 character;"), ("", "0 characters"), (" \n" * 5_000, "0 ")],
)
def test_a_text_of_three_characters_is_said_to_be_too_short(text, said):
    with pytest.raises(TextError, match=f"The text has {said}"):
        require_learnable(text)


def test_a_text_that_is_long_enough_passes():
    require_learnable("a" * LEAST_CHARACTERS)
