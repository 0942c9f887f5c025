"""A corpus read window by window for a survey: from its first window, or past those that were measured before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from viz.errors import StorageError
from viz.models import Model
from viz.survey.shard_file import Shard, shard_of
from viz.survey.survey_card import SurveySettings
from viz.survey.texts.corpus import Corpus, CorpusReader
from viz.survey.texts.windows import Window, Windows, windows

# Windows whose sums are kept together: what a process that is killed has to read again at most.
WINDOWS = 16

# Tokens that are counted before a survey begins, so that it can say how long it will take; a longer corpus is not.
COUNTED_TOKENS = 2_000_000

# Windows that are kept for what is measured on texts of the corpus besides.
KEPT_WINDOWS = 64


class CorpusReading:
    """Windows of a corpus, and what is to be told of them.

    Attributes:
        first_texts: the first windows, for what else is measured on texts.
        is_whole: whether the last window was reached.
        tokens_before: in windows up to here that were measured before.
    """

    def __init__(self, model: Model, corpus: Corpus, settings: SurveySettings) -> None:
        self._model, self._corpus, self._settings = model, corpus, settings
        self._texts = corpus.read()
        self._windows = self._cut(self._texts)
        self.first_texts: list[str] = []
        self.is_whole = False
        self.tokens_before = 0

    @property
    def windows(self) -> int:
        """How many windows were read of the corpus."""
        return self._windows.given

    def pending(self, known: Sequence[Shard]) -> Iterator[Sequence[Window]]:
        """Gather windows that were not measured yet, so many at a time, up to the next that were.

        Args:
            known: what was measured.

        Raises:
            StorageError: what was measured says something else now.
            LoupeError: the corpus can be read no further.
        """
        by_first = {shard.first: shard for shard in known}
        batch: list[Window] = []
        source = self._each()
        for window in source:
            shard = by_first.get(window.number)
            if shard is None:
                batch.append(window)
            else:
                again = [window, *islice(source, shard.count - 1)]
                _require_same(shard, again)
                self.tokens_before += sum(one.tokens for one in again)
            if batch and (shard is not None or len(batch) == WINDOWS):
                yield batch
                batch = []
        if batch:
            yield batch

    def planned(self) -> int | None:
        """Count the windows that there will be; None where that would take long."""
        count = tokens = 0
        for window in self._cut(self._corpus.read()):
            count, tokens = count + 1, tokens + window.tokens
            if tokens > COUNTED_TOKENS:
                return None
        return count

    def counts(self) -> dict[str, int | str]:
        """Say what was read of the corpus, in the words of the card."""
        return {
            "texts": self._texts.texts_read,
            "skipped": self._texts.skipped,
            "dropped": self._windows.dropped,
            "digest": self._texts.digest() if self.is_whole else "",
        }

    def _each(self) -> Iterator[Window]:
        for window in self._windows:
            if len(self.first_texts) < KEPT_WINDOWS:
                self.first_texts.append(window.text)
            yield window
        self.is_whole = True

    def _cut(self, texts: CorpusReader) -> Windows:
        settings = self._settings
        return windows(
            texts,
            self._model,
            length=settings.length,
            packed=settings.packed,
            most_tokens=settings.tokens,
        )


def _require_same(shard: Shard, again: Sequence[Window]) -> None:
    if shard_of(again) != shard:
        last = shard.first + shard.count - 1
        raise StorageError(
            f"The corpus has changed since its windows {shard.first} to {last} were read.",
            "Survey it as it is now, into another folder.",
        )
