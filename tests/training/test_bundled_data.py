"""The data that comes along is what SOURCES.md says it is."""

from __future__ import annotations

import hashlib
import lzma
import re

import pandas as pd
import pytest

from viz.errors import StorageError
from viz.training import bundled_data as shipped
from viz.training.bundled_data import DATA, TEXTS, table_of, text_of

SOURCES = (DATA / "SOURCES.md").read_text()
LISTED = re.findall(r"^\| `([\w.-]+)` \|.*\| ([\d,]+) \| `(\w{16})` \|$", SOURCES, re.MULTILINE)


def test_every_file_has_its_source():
    assert {name for name, _, _ in LISTED} == {
        path.name for path in DATA.iterdir() if path.name != "SOURCES.md"
    }


@pytest.mark.parametrize(("name", "size", "digest"), LISTED)
def test_every_file_is_the_one_whose_source_is_told(name, size, digest):
    stored = (DATA / name).read_bytes()
    assert f"{len(stored):,}" == size
    content = lzma.decompress(stored) if name.endswith(".xz") else stored
    assert hashlib.sha256(content).hexdigest()[:16] == digest


def test_texts_are_read():
    assert "O Romeo, Romeo!" in text_of("shakespeare")
    assert text_of("moby-dick").startswith("CHAPTER 1. Loomings.\n\nCall me Ishmael.")
    assert len(text_of("addresses")) > 3_000_000
    assert set(TEXTS) == {path.name.split(".")[0] for path in DATA.glob("*.txt.xz")}


def test_tables_are_read():
    births = table_of("births")
    days = pd.to_datetime(births["date"])
    assert (days.diff().dropna() == pd.Timedelta(days=1)).all()
    assert births["births"].between(5_000, 17_000).all()
    posts = table_of("posts")
    assert posts["rating"].between(-4, 4).all()
    assert posts["text"].is_unique
    words = table_of("rated-words").set_index("word")["rating"]
    assert words["happy"] > 0 > words["sad"]


@pytest.mark.parametrize(
    ("read", "name"), [(text_of, "moby-dick.txt.xz"), (table_of, "births.csv")]
)
def test_data_that_is_missing_or_damaged_is_said(read, name, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    for content in (None, b"\xff\xfe\x00damaged"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(StorageError, match=f"data in {name} cannot be read"):
            read(name.split(".")[0])
