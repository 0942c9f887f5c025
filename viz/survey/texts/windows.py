"""Texts of a corpus as windows that a model reads, each given to it by itself."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from viz.errors import InputError, LoupeError, ModelRefusedError, TextError
from viz.inputs.text import count_tokens
from viz.models.argument_checks import require_model, whole_number
from viz.models.model import Model, several
from viz.survey.texts.corpus import SourceText
from viz.survey.texts.window_cutting import Cutter, next_character, readable

# Most heads show what they do within as many tokens, and longer passes cost their square.
USUAL_LENGTH = 512

# Shorter ones hold a few words each, between which little can be seen.
LEAST_LENGTH = 8

# What stands between texts that share a window.
JOINT = "\n\n"


@dataclass(frozen=True, slots=True)
class Window:
    """What a model is given at once.

    Attributes:
        number: from 0, of all windows.
        text: what `viz.capture(model, window.text)` reads. Null bytes and halves of characters, which
            no tokenizer is given, are replaced by U+FFFD.
        source: name of the text that it begins in.
        start: the character of that text that it begins with.
        tokens: that the model reads, special ones included.
    """

    number: int
    text: str
    source: str
    start: int
    tokens: int


class Windows:
    """Windows of texts, one after another; see `windows`.

    Attributes:
        length: tokens of a window at most.
        given: windows up to here.
        tokens: in all of them.
        dropped: rests of texts that were left out because they have too few tokens, and single
            characters that have more than a window holds.

    Raises:
        TextError: there is none, because no text has enough tokens.
    """

    def __init__(
        self,
        texts: Iterable[SourceText],
        model: Model,
        *,
        length: int,
        packed: bool,
        most_tokens: int | None,
        least: int,
    ) -> None:
        self.length = length
        self.given = 0
        self.tokens = 0
        self.dropped = 0
        self._cutter = Cutter(model, length)
        parts = _packed(texts, self._cutter) if packed else _one_by_one(texts, self._cutter)
        self._windows = self._counted(parts, most_tokens, least)

    def __iter__(self) -> Windows:
        return self

    def __next__(self) -> Window:
        return next(self._windows)

    def _counted(
        self, parts: Iterator[_Part], most_tokens: int | None, least: int
    ) -> Iterator[Window]:
        for part in parts:
            if not least <= part.tokens - self._cutter.special or part.tokens > self.length:
                self.dropped += 1
                continue
            window = Window(self.given, part.text, part.source, part.start, part.tokens)
            self.given += 1
            self.tokens += part.tokens
            yield window
            if most_tokens is not None and self.tokens >= most_tokens:
                return
        if not self.given:
            raise TextError(
                f"No text of the corpus has {least:,} tokens.", "Choose a corpus of longer texts."
            )


@dataclass(frozen=True, slots=True)
class _Part:
    """A window before it is known whether it counts; `start` is in the text of its source."""

    text: str
    source: str
    start: int
    tokens: int


def windows(
    texts: Iterable[SourceText],
    model: Model,
    *,
    length: int | None = None,
    packed: bool = False,
    most_tokens: int | None = None,
    least: int = 2,
) -> Windows:
    """Cut texts into windows, at borders of words where there are any.

    Together they hold every text without overlap and without a gap but for spaces at their borders
    and for rests that were dropped.

    Args:
        texts: such as `Corpus.read()` gives.
        model: that will read them.
        length: tokens of a window at most, special ones included; see `default_length`.
        packed: whether texts are joined by an empty line until a window is full; else each begins
            a window of its own.
        most_tokens: no window is begun once so many tokens are in windows; all texts are read if None.
        least: tokens, without special ones, that a window has at least; shorter rests are dropped.

    Raises:
        InputError: a window would be longer than what the model reads, or too short.
        ModelRefusedError: the model reads no text.
        LoupeError: what reading the texts raises, after the windows of all texts before.

    Cost: every text is tokenised twice; packed ones are read ahead by what is tokenised at once.
    """
    require_model(model)
    if model.reads and "text" not in model.reads:
        raise ModelRefusedError(
            f"{model.name} reads {several(model.reads)}, and a survey is of texts.",
            "Choose a model that reads text.",
        )
    count_tokens(model, "a")  # says that there is no tokenizer
    for number, what in ((most_tokens, "number of tokens"), (least, "least number of tokens")):
        if number is not None and whole_number(number, what) < 1:
            raise InputError(f"The {what} is {number:,}.", "Give at least 1.")
    return Windows(
        texts,
        model,
        length=_checked(model, length),
        packed=packed,
        most_tokens=most_tokens,
        least=least,
    )


def default_length(model: Model) -> int:
    """Return how many tokens a window has where nobody chooses: 512, or what the model reads if less."""
    return min(model.context_limit or USUAL_LENGTH, USUAL_LENGTH)


def _checked(model: Model, length: int | None) -> int:
    asked = default_length(model) if length is None else whole_number(length, "length of a window")
    if model.context_limit is not None and asked > model.context_limit:
        raise InputError(
            f"Windows of {asked:,} tokens were asked for; {model.name} reads {model.context_limit:,}.",
            f"Choose {LEAST_LENGTH} to {model.context_limit:,}.",
        )
    if asked < LEAST_LENGTH:
        raise InputError(
            f"Windows of {asked:,} tokens are too short to see much in.",
            f"Choose {LEAST_LENGTH} or more."
            if length is not None
            else "Choose a model with a longer context.",
        )
    return asked


def _one_by_one(texts: Iterable[SourceText], cutter: Cutter) -> Iterator[_Part]:
    """Cut each text by itself."""
    for source in texts:
        text = readable(source.text)
        for cut in cutter.cut(text, whole=True):
            yield _Part(text[cut.start : cut.stop], source.name, cut.start, cut.tokens)


def _packed(texts: Iterable[SourceText], cutter: Cutter) -> Iterator[_Part]:
    """Cut texts as though they were one."""
    joined = _Joined()
    enough = cutter.piece_characters
    failure: LoupeError | None = None
    try:
        for source in texts:
            joined.add(source)
            if joined.size >= enough:
                yield from joined.cut(cutter, whole=False)
                enough = joined.size + cutter.piece_characters
    except LoupeError as error:
        failure = error
    yield from joined.cut(cutter, whole=True)
    if failure is not None:
        raise failure


class _Joined:
    """Texts that were joined and are not cut yet.

    Attributes:
        size: characters.
    """

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[str] = []
        # Where each text begins here, and which character of which source that is.
        self._begins: list[int] = []
        self._sources: list[tuple[str, int]] = []

    def add(self, source: SourceText) -> None:
        """Join a text to those before."""
        text = readable(source.text)
        if not text.strip():
            return
        joint = JOINT if self.size else ""
        self._begins.append(self.size + len(joint))
        self._sources.append((source.name, len(text) - len(text.lstrip())))
        self._pieces.append(joint + text.strip())
        self.size += len(self._pieces[-1])

    def cut(self, cutter: Cutter, *, whole: bool) -> Iterator[_Part]:
        """Cut them all, and keep what fills no window unless that is a window too."""
        text, rest = "".join(self._pieces), 0
        for cut in cutter.cut(text, whole=whole):
            source, start = self._source(cut.start)
            yield _Part(text[cut.start : cut.stop], source, start, cut.tokens)
            rest = cut.stop
        self._keep(text, next_character(text, rest))

    def _source(self, place: int) -> tuple[str, int]:
        """Tell which character of which text stands at a place."""
        text = bisect_right(self._begins, place) - 1
        name, first = self._sources[text]
        return name, first + place - self._begins[text]

    def _keep(self, text: str, rest: int) -> None:
        """Forget what stands before a place."""
        later = bisect_right(self._begins, rest)
        left = text[rest:]
        self._sources = [*([self._source(rest)] if left else []), *self._sources[later:]]
        self._begins = [*([0] if left else []), *(begin - rest for begin in self._begins[later:])]
        self._pieces = [left] if left else []
        self.size = len(left)
