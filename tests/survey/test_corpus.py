"""A corpus is read text by text, from files of any size, and says what is wrong with it."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import Dataset, load_dataset, load_dataset_builder
from pyarrow import parquet

from viz.errors import InputError, LoupeError, StorageError, TextError
from viz.survey.texts.corpus import open_corpus
from viz.survey.texts.corpus_decoding import BLOCK_BYTES, LONGEST_TEXT, PART_CHARACTERS
from viz.survey.texts.corpus_hub import explain, require_remote, rows_of_dataset

TEXTS = ["A first text.", "Eine zweite,\nlänger: 猫 🙂", "third"]
# Whom no file of another belongs to.
NOBODY = 65534
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def as_json(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path, content):
    """Write a file of any kind: bytes as they are, a dict of columns as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        parquet.write_table(pa.table(content), path)
    else:
        path.write_bytes(content)
    return path


def read(source, **options):
    return list(open_corpus(source, **options).read())


def said(error):
    return f"{error.value.message} {error.value.hint}"


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("a.jsonl", as_json({"text": text, "id": 7} for text in TEXTS), (1, 2, 3)),
        ("a.jsonl", as_json(TEXTS), (1, 2, 3)),
        ("a.jsonl", as_json({"body": text, "id": 7} for text in TEXTS), (1, 2, 3)),
        ("a.JSONL", as_json(TEXTS).replace(b"\n", b"\r\n\r\n"), (1, 3, 5)),
        ("a.csv", 'id,text\n1,A first text.\n2,"Eine zweite,\nlänger: 猫 🙂"\n3,third'.encode(), (2, 3, 5)),
        ("a.csv", 'text;id\nA first text.;1\n\n"Eine zweite,\nlänger: 猫 🙂";2\nthird;3'.encode(), (2, 4, 6)),
        ("a.parquet", {"id": [1, 2, 3], "text": TEXTS}, (1, 2, 3)),
        ("a.parquet", {"body": pa.array(TEXTS, pa.large_string())}, (1, 2, 3)),
        ("a.parquet", {"body": pa.array(TEXTS).dictionary_encode()}, (1, 2, 3)),
    ],
)  # fmt: skip
def test_a_table_gives_its_texts_and_where_each_stands(tmp_path, name, content, places):
    texts = read(write(tmp_path / name, content))
    assert [text.text for text in texts] == TEXTS
    assert [text.name for text in texts] == [f"{name}:{place}" for place in places]
    assert [text.number for text in texts] == [0, 1, 2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_plain_text_is_read_in_any_unicode_encoding(tmp_path, encoding, end):
    text = "Ein Käse.\n\n猫 🙂\n" * 30_000  # more than a block
    (one,) = read(write(tmp_path / "a.txt", text.replace("\n", end).encode(encoding)))
    assert (one.name, one.text) == ("a.txt", text)


@pytest.mark.parametrize("border", ["\n\n", "\n", ". ", "。", " ", ""])
def test_a_long_text_comes_in_parts_that_end_where_it_may_be_cut(tmp_path, border):
    text = f"Käse und Brot{border}" * (3_200_000 // len(f"Käse und Brot{border}"))
    if border not in ("", " "):
        text = text.replace(" und ", "_und_")
    parts = read(write(tmp_path / "a.txt", text.encode()))
    assert "".join(part.text for part in parts) == text
    assert max(len(part.text) for part in parts) <= PART_CHARACTERS
    assert all(part.text.endswith(border) for part in parts)
    assert len(parts) == 4
    lines = [1 + text.count("\n", 0, sum(len(part.text) for part in parts[:n])) for n in range(4)]
    if "\n" in border:
        assert [part.name for part in parts[1:]] == [f"a.txt:{line}" for line in lines[1:]]
    assert parts[0].name == "a.txt"


def test_null_and_blank_rows_are_left_out_and_counted(tmp_path):
    rows = [
        {"text": None},
        {"text": "one"},
        {"text": " \n"},
        {"id": 3},
        {"text": "two"},
        {"text": ""},
    ]
    reader = open_corpus(write(tmp_path / "a.jsonl", as_json(rows))).read()
    assert [(text.name, text.text) for text in reader] == [
        ("a.jsonl:2", "one"),
        ("a.jsonl:5", "two"),
    ]
    assert (reader.texts_read, reader.skipped) == (2, 4)


def test_no_more_texts_are_read_than_were_asked_for(tmp_path):
    path = write(tmp_path / "a.jsonl", as_json(TEXTS) + b"{broken")
    reader = open_corpus(path, texts=2).read()
    assert [text.text for text in reader] == TEXTS[:2]
    assert reader.texts_read == 2


def test_a_digest_tells_what_was_read_whatever_it_was_read_from(tmp_path):
    def digest(name, content):
        reader = open_corpus(write(tmp_path / name, content)).read()
        assert list(reader)
        return reader.digest()

    same = {digest("a.jsonl", as_json(TEXTS)), digest("a.parquet", {"any": TEXTS})}
    assert len(same) == 1
    others = (TEXTS[::-1], TEXTS[:2], [TEXTS[0] + TEXTS[1], TEXTS[2]])
    assert same.isdisjoint({digest("b.jsonl", as_json(texts)) for texts in others})


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path):
    folder = tmp_path / "corpus"
    write(folder / "b" / "2.txt", b"third")
    write(folder / "b" / "1.jsonl", as_json(["second"]))
    write(folder / "a.txt", b"first")
    write(folder / "c.txt", b"")
    write(folder / ".hidden" / "x.txt", b"hidden")
    write(folder / ".hidden.txt", b"hidden")
    write(folder / "notes.md", b"of another kind")
    (folder / "out.txt").symlink_to(write(tmp_path / "secret.txt", b"secret"))
    (folder / "out").symlink_to(write(tmp_path / "more" / "secret.txt", b"secret").parent)
    texts = read(folder)
    assert [(text.name, text.text) for text in texts] == [
        ("a.txt", "first"),
        ("b/1.jsonl:1", "second"),
        ("b/2.txt", "third"),
    ]
    assert [text.number for text in texts] == [0, 1, 2]


def test_plain_text_of_a_folder_is_left_out_where_a_column_is_named(tmp_path):
    write(tmp_path / "README.txt", b"about these data")
    write(tmp_path / "data.jsonl", as_json([{"title": "a", "body": "b"}]))
    assert [text.text for text in read(tmp_path, column="title")] == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("a.txt", b"", None, r"a\.txt holds no text"),
        ("a.txt", b" \n\n", None, r"a\.txt holds no text"),
        ("a.jsonl", b"\n\n", None, "holds no text"),
        ("a.jsonl", as_json([{"text": " "}]), None, "holds no text"),
        ("a.csv", b"text\n", None, "holds no text"),
        ("a.parquet", {"text": pa.array([], pa.string())}, None, "holds no text"),
        ("a.txt", PICTURE, None, r"a\.txt is no text that can be read"),
        ("a.jsonl", PICTURE, None, r"a\.jsonl is no text that can be read"),
        ("a.csv", PICTURE, None, r"a\.csv is no text that can be read"),
        ("a.parquet", PICTURE, None, r"a\.parquet could not be read as Parquet"),
        ("a.txt", b"a" * 999 + "Käse".encode("latin-1"), None, r"no UTF-8 from byte 1,000 on\. Save it as UTF-8"),
        ("a.txt", "\ufeffKäse".encode() + b"\xff", None, "no UTF-8 from byte 8 on"),
        ("a.txt", "猫".encode()[:2], None, "no UTF-8 from byte 0 on"),
        ("a.txt", b"text", "text", "has no columns"),
        ("a.md", b"text", None, r"a\.md is of no kind that is read.*\.txt, \.jsonl, \.csv, \.parquet"),
        ("a.jsonl", b'{"text": "one"', None, r"Line 1 of a\.jsonl is no JSON"),
        ("a.jsonl", b"[" * 100_000, None, "Line 1 of .* is no JSON"),
        ("a.jsonl", b"7\n", None, "holds an int, not a string or an object"),
        ("a.jsonl", as_json(["bare"]), "text", "holds a str, not an object"),
        ("a.jsonl", as_json([{"id": 1, "text": "a"}]), "body", r"no column 'body'; its columns are id, text\."),
        ("a.jsonl", as_json([{"title": "a", "body": "b"}]), None, "several columns of text: title, body"),
        ("a.jsonl", as_json([{"id": 1, "label": 2}]), None, "None of the columns of a.jsonl holds text; they are id, label"),
        ("a.jsonl", as_json([{"id": 1, "text": "a"}]), "id", r"column 'id' of a\.jsonl holds no text\. Name one of text"),
        ("a.csv", b"id,label\n1,2\n", "text", "no column 'text'; its columns are id, label"),
        ("a.csv", b"id,text\n1,one, two\n", None, r"Line 2 of a\.csv has 3 fields; its header has 2\. Put texts"),
        ("a.csv", b'id,text\n1,"one\n2,two\n', None, r"row in line 2 of a\.csv is no CSV"),
        ("a.parquet", {"id": [1], "title": ["a"], "body": ["b"]}, "text", "its columns are id, title, body"),
        ("a.parquet", {"id": [1]}, None, "None of the columns of a.parquet holds text"),
        ("a.parquet", {"id": [1], "text": ["a"]}, "id", "holds no text"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_before_anything_is_read(
    tmp_path, name, content, column, message
):
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message):
        open_corpus(path, column=column)
    # Beside a file that is well, too.
    if "holds no text" not in message and name not in ("a.md",) and column is None:
        write(tmp_path / "0.txt", b"well")
        with pytest.raises(InputError, match=message):
            open_corpus(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "two"\n', r"Line 2 of a\.jsonl is no JSON"),
        (b'{"text": 7}\n', r"a\.jsonl:2 holds an int, no text"),
        (b'"' + b"a" * LONGEST_TEXT + b'"\n', r"a\.jsonl:2 goes on for more than 8,000,000 characters"),
    ],
)  # fmt: skip
def test_what_was_read_before_a_broken_line_is_not_lost(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", b'{"text": "one"}\n' + line + b'{"text": "three"}\n')
    reader = open_corpus(path).read()
    assert next(reader).text == "one"
    digest = reader.digest()
    with pytest.raises(TextError, match=message):
        next(reader)
    assert list(reader) == []
    assert (reader.texts_read, reader.digest()) == (1, digest)


def test_a_wrong_byte_far_into_a_file_is_named_by_its_place(tmp_path):
    path = write(tmp_path / "a.txt", b"a" * (BLOCK_BYTES - 1) + b"\xe7\x8c!")
    with pytest.raises(TextError, match=f"no UTF-8 from byte {BLOCK_BYTES - 1:,} on"):
        list(open_corpus(path).read())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b'text\none\n"' + b"never closed\n" * 700_000),
        ("a.csv", b'text\none\n"' + b'","\n' * 2_500_000),
        ("a.csv", b"text\none\n" + b"a" * (LONGEST_TEXT + 1)),
        ("a.jsonl", b'"one"\n' + b"a" * (LONGEST_TEXT + 1)),
        ("a.parquet", {"text": ["one", "a" * (LONGEST_TEXT + 1)]}),
    ],
    ids=["open quotation mark", "many fields", "csv", "jsonl", "parquet"],
)
def test_no_row_is_longer_than_what_is_held(tmp_path, name, content):
    reader = open_corpus(write(tmp_path / name, content)).read()
    assert next(reader).text == "one"
    with pytest.raises(TextError, match="goes on for more than 8,000,000 characters"):
        next(reader)


def test_a_folder_without_anything_to_read_says_so(tmp_path):
    folder = tmp_path / "corpus"
    write(folder / "notes.md", b"text")
    with pytest.raises(TextError, match=r"The folder corpus holds no file that is read\."):
        open_corpus(folder)
    (folder / "a.txt").symlink_to(write(tmp_path / "secret.txt", b"secret"))
    with pytest.raises(TextError, match="1 are links that lead out of it"):
        open_corpus(folder)
    write(folder / "b.txt", b" ")
    with pytest.raises(TextError, match="holds no text"):
        open_corpus(folder)
    with pytest.raises(TextError, match="holds no file with columns that is read"):
        open_corpus(folder, column="text")


@pytest.mark.parametrize(
    "source",
    ["/no/such/place", "no/such/place/at/all", "missing.jsonl", "data/missing.csv", "./missing", "", "a\x00b", "~nobody-here/x", "x" * 5_000, "a/" * 900 + "b", "x" * 300],
)  # fmt: skip
def test_what_is_not_there_is_said(source):
    with pytest.raises(StorageError, match="no file"):
        open_corpus(source)


@pytest.mark.parametrize("texts", [0, -1])
def test_at_least_one_text_is_read(tmp_path, texts):
    with pytest.raises(InputError, match="Give at least 1"):
        open_corpus(write(tmp_path / "a.txt", b"text"), texts=texts)


def test_a_name_that_is_no_string_is_refused():
    with pytest.raises(InputError, match="The corpus is a list"):
        open_corpus(["a.txt"])


@pytest.fixture
def as_nobody():
    """A folder that everybody sees, while nobody's rights are left: root may read everything."""
    with tempfile.TemporaryDirectory() as name:
        folder, was = Path(name), os.geteuid()
        folder.chmod(0o755)

        @contextmanager
        def without_rights():
            if was == 0:
                os.seteuid(NOBODY)
            try:
                yield
            finally:
                os.seteuid(was)

        yield folder, without_rights


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.parquet", "folder"])
def test_what_may_not_be_read_is_said(as_nobody, name):
    folder, without_rights = as_nobody
    path = folder / name
    path.mkdir() if name == "folder" else write(path, b"text")
    path.chmod(0)
    with without_rights(), pytest.raises(StorageError, match="may not be read here"):
        open_corpus(path)
    path.chmod(0o700)


@pytest.fixture
def shelves(tmp_path):
    """A folder that may be read from, with links out of it, beside one that may not."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    write(inside / "a.txt", b"allowed")
    write(outside / "b.txt", b"secret")
    (inside / "link.txt").symlink_to(outside / "b.txt")
    (inside / "link").symlink_to(outside)
    return inside, outside


def test_files_in_allowed_folders_are_read_by_their_whole_or_relative_paths(shelves):
    inside, _ = shelves
    for source in ("a.txt", inside / "a.txt", inside):
        assert [text.text for text in read(source, allowed=[inside])] == ["allowed"]


@pytest.mark.parametrize(
    "source", ["{outside}/b.txt", "{outside}", "../outside/b.txt", "link.txt", "link", "link/b.txt", "/etc/passwd", "/no/such/file"],
)  # fmt: skip
def test_nothing_outside_of_allowed_folders_is_read(shelves, source):
    inside, outside = shelves
    with pytest.raises(StorageError, match="lies outside the folders that texts may be read from"):
        open_corpus(source.format(outside=outside), allowed=[inside])


@pytest.mark.parametrize("name", ["corpus", "hub:corpus", "csv", "text"])
def test_a_dataset_of_the_hub_is_no_way_around_allowed_folders(tmp_path, monkeypatch, name):
    write(tmp_path / "corpus" / "a.txt", b"secret")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inside").mkdir()
    with pytest.raises(StorageError, match="Hugging Face cannot be reached"):
        open_corpus(name, allowed=[tmp_path / "inside"])


@pytest.mark.parametrize("name", ["no-such/thing", "wikitext:wikitext-2-raw-v1"])
def test_a_hub_that_cannot_be_reached_is_said(name):
    with pytest.raises(StorageError) as error:
        open_corpus(name)
    assert said(error) == (
        f"{name.partition(':')[0]} is no file or folder on this machine, and Hugging Face cannot be reached. "
        "Check the name, or connect to the network."
    )


def test_rows_of_a_streamed_dataset_are_read_and_named(tmp_path):
    dataset = Dataset.from_dict({"id": [1, 2, 3], "text": ["one", None, "three"]})
    dataset.to_parquet(tmp_path / "a.parquet")
    streamed = load_dataset(
        "parquet", data_files=str(tmp_path / "a.parquet"), split="train", streaming=True
    )
    for rows in (streamed, dataset.to_iterable_dataset()):
        assert list(rows_of_dataset(rows, "owner/name", None)) == [
            ("owner/name:1", "one"),
            ("owner/name:2", None),
            ("owner/name:3", "three"),
        ]
        with pytest.raises(
            InputError, match="owner/name has no column 'body'; its columns are id, text"
        ):
            list(rows_of_dataset(rows, "owner/name", "body"))


@pytest.mark.parametrize(
    ("configuration", "split", "message"),
    [
        (None, "train", r"a/b has several configurations: one, two\. Name one, as in a/b:name"),
        ("three", "train", r"a/b has no configuration 'three'\. Choose one of one, two"),
        ("one", "dev", r"a/b has no such split\. Choose one of train, test"),
    ],
)
def test_what_a_dataset_has_instead_is_named(tmp_path, configuration, split, message):
    both = "[{split: train, path: 1.csv}, {split: test, path: 2.csv}]"
    configs = f"[{{config_name: one, data_files: {both}}}, {{config_name: two, data_files: 1.csv}}]"
    write(tmp_path / "README.md", f"---\nconfigs: {configs}\n---\n".encode())
    for name in ("1.csv", "2.csv"):
        write(tmp_path / name, b"text\none\n")
    with pytest.raises(ValueError, match="vailable") as error:
        load_dataset_builder(str(tmp_path), configuration).as_streaming_dataset(split)
    source = "a/b" if configuration is None else f"a/b:{configuration}"
    with pytest.raises(InputError, match=message):
        raise explain(error.value, source)


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "https://example.org/a.csv", "zip://a.csv::/home/a.zip"]
)
def test_a_dataset_may_name_no_file_outside_the_hub(file):
    require_remote(["hf://datasets/a/b@main/c.csv", "zip://x.csv::hf://datasets/a/b/c.zip"], "a/b")
    with pytest.raises(StorageError, match="names a file outside Hugging Face"):
        require_remote(["hf://datasets/a/b@main/c.csv", file], "a/b")


def test_every_error_is_one_of_ours_and_says_what_to_do(tmp_path):
    with pytest.raises(LoupeError) as error:
        open_corpus(Path(tmp_path, "none.txt"))
    assert error.value.hint
