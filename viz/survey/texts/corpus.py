"""Texts to survey heads over, read one after another from files of any size, or from Hugging Face."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from viz.errors import InputError, StorageError, TextError
from viz.models.argument_checks import kind_of_value, whole_number
from viz.models.loading import HUB_PREFIX
from viz.survey.texts.corpus_decoding import require_length
from viz.survey.texts.corpus_files import KINDS, Row, holds_text, rows_of
from viz.survey.texts.corpus_folder import files_of, find_local
from viz.survey.texts.corpus_hub import NAME, hub_rows


@dataclass(frozen=True, slots=True)
class SourceText:
    """One text of a corpus.

    Attributes:
        number: from 0, in the order of reading.
        name: where it stands: a file, with the line or row that it begins in, from 1.
        text: what it says; never blank.
    """

    number: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts that can be read, as often as one likes; see `open_corpus`.

    Attributes:
        source: the whole path of a file or a folder, or the name of a dataset on Hugging Face.
        column: that holds the texts, of tables; `text` if None, or the only one of strings.
        texts: how many are read at most; all if None.
        split: part of a dataset on Hugging Face.
    """

    source: str
    column: str | None = None
    texts: int | None = None
    split: str = "train"

    def read(self) -> CorpusReader:
        """Begin to read from the first text."""
        return CorpusReader(self)


class CorpusReader:
    """The texts of a corpus, one after another; null and blank ones are left out.

    It holds one text at a time, or a block of a file. What is wrong further on is raised where it is
    reached, after all texts before it.

    Attributes:
        texts_read: how many it has returned.
        skipped: how many rows before here were null or blank.

    Raises:
        StorageError: a file, or Hugging Face, can be read no further.
        TextError: a file is damaged, or a row is longer than `LONGEST_TEXT`.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.texts_read = 0
        self.skipped = 0
        self._digest = hashlib.sha256()
        self._texts = self._read(_rows(corpus), corpus.texts)

    def __iter__(self) -> CorpusReader:
        return self

    def __next__(self) -> SourceText:
        return next(self._texts)

    def _read(self, rows: Iterator[Row], most: int | None) -> Iterator[SourceText]:
        for row in rows:
            if row.text is None or not row.text.strip():
                self.skipped += 1
                continue
            text = SourceText(self.texts_read, row.place, require_length(row.text, row.place))
            self.texts_read += 1
            content = text.text.encode("utf-8", "surrogatepass")
            self._digest.update(len(content).to_bytes(8, "big") + content)
            yield text
            if self.texts_read == most:
                return

    def digest(self) -> str:
        """Return the SHA-256 of all texts up to here, in order, each after its length in 8 bytes."""
        return self._digest.hexdigest()


def open_corpus(
    source: str | Path,
    *,
    column: str | None = None,
    split: str = "train",
    texts: int | None = None,
    allowed: Sequence[Path] | None = None,
) -> Corpus:
    """Look into a corpus, so that what can be said of it is said before anything is surveyed.

    A .txt file is one long text. So that one of any size can be read, it comes in parts of up to
    a million characters, each cut at a border of paragraphs where there is one (else of lines,
    sentences or words) and counted as a text. A .jsonl file holds a JSON object, or a string, on
    every line; a .csv file has a header; of a .parquet file one column is read. A folder's files
    are read in the order of their paths: hidden ones and links out of it are left out, and plain
    text too where a column is named.

    Args:
        source: a file, a folder of such, or a dataset on Hugging Face: `name`, `name:configuration`,
            or with `hub:` before it where a folder has the same name.
        column: that holds the texts, of tables; `text` if None, or the only one of strings.
        split: part of a dataset on Hugging Face.
        texts: how many are read at most; all if None.
        allowed: folders that files must lie in, links followed; any if None.

    Raises:
        StorageError: it is not there, may not be read, or cannot be reached.
        TextError: it holds nothing to read, or is no text.
        InputError: it has no such column, split or configuration.

    Cost: every file is opened and read up to its first text; of a dataset, its first rows are fetched.
    """
    if not isinstance(source, (str, Path)):
        raise InputError(f"The corpus is {kind_of_value(source)}.", "Give the name of a file.")
    if texts is not None and whole_number(texts, "number of texts") < 1:
        raise InputError(f"{texts} texts were to be read.", "Give at least 1, or None for all.")
    given = str(source)
    path = None if given.startswith(HUB_PREFIX) else find_local(given, allowed)
    if path is None:
        name = given.removeprefix(HUB_PREFIX)
        if not NAME.fullmatch(name) or Path(name).suffix.lower() in KINDS:
            raise StorageError(f"There is no file or folder {name:.80}.", "Check the name.")
        corpus = Corpus(name, column, texts, split)
    else:
        corpus = Corpus(str(path), column, texts, split)
    if not _holds_text(corpus):
        raise TextError(f"{given} holds no text.", "Choose another file, or another column.")
    return corpus


def _holds_text(corpus: Corpus) -> bool:
    path = Path(corpus.source)
    if not path.is_absolute():
        rows = hub_rows(corpus.source, corpus.split, corpus.column)
        return any(row.text and row.text.strip() for row in rows)
    # Into every file, also behind the first that holds a text: one may lack the column.
    files = files_of(path, corpus.column)
    found = [holds_text(file, name, corpus.column) for name, file in files]
    return any(found)


def _rows(corpus: Corpus) -> Iterator[Row]:
    path = Path(corpus.source)
    if not path.is_absolute():
        return hub_rows(corpus.source, corpus.split, corpus.column)
    return chain.from_iterable(
        rows_of(file, name, corpus.column) for name, file in files_of(path, corpus.column)
    )
