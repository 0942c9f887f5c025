"""Self-attention on a few tokens with small matrices: worked step by step, and broken on purpose."""

from __future__ import annotations

import unicodedata
import zlib
from dataclasses import dataclass, replace

import torch
from tokenizers import Regex, pre_tokenizers
from torch import Tensor

from viz.errors import ShapeError, TextError, TextTooLongError
from viz.inputs.input_checks import check_text
from viz.models.custom.attention_module import Attention
from viz.models.custom.attention_steps import Steps
from viz.models.custom.position_encodings import sinusoids
from viz.models.custom.textbook_attention import (
    EXAMPLE_KEY,
    EXAMPLE_QUERY,
    EXAMPLE_TOKENS,
    EXAMPLE_VALUE,
    from_matrices,
)

# More rows than this are no longer read cell by cell.
MOST_TOKENS = 10

# Numbers have twelve columns at most, and each head needs one.
MOST_HEADS = 12

# Wide enough for two heads, narrow enough that a matrix fits beside two others.
WIDTH, HEADS = 6, 2

# A Chinese character; letters and digits with their accents and joiners; any other mark, as a whole.
WORDS = pre_tokenizers.Split(
    Regex(
        r"\p{Han}\p{M}*"
        r"|(?!\p{Han})[\p{L}\p{M}\p{N}](?:(?!\p{Han})[\p{L}\p{M}\p{N}\x{200c}\x{200d}])*"
        r"|(?![\s\p{C}])\X"
    ),
    "removed",
    invert=True,
)

# Draws the matrices of a text; another seed would do as well.
SEED = 7


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a worked example starts from; float64.

    Attributes:
        labels: of the tokens.
        embeddings: one row a token, [token, d_model].
        positions: what is added for the place of each, of the same shape; None where there is none.
        query: W_Q, [d_model, heads * d_head].
        key: W_K, of the same shape.
        value: W_V, [d_model, heads * d_value].
        output: W_O, [heads * d_value, d_model]; None where heads are only joined.
        heads: how many.
        causal: whether a token may look only back.
    """

    labels: tuple[str, ...]
    embeddings: Tensor
    positions: Tensor | None
    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor | None
    heads: int
    causal: bool


@dataclass(frozen=True, slots=True)
class Switches:
    """What of the usual computation is kept; each may be turned off to see why it is there.

    Attributes:
        positions: whether the tokens know where they stand.
        projections: whether queries, keys and values are made by matrices of their own.
        scaled: whether scores are divided by sqrt(d_head).
        masked: whether the lesson's mask is used.
        temperature: scores are divided by it once more; 1 is usual.
        several: whether there are as many heads as the lesson has, and not one.
        output: whether joined heads are projected.
    """

    positions: bool = True
    projections: bool = True
    scaled: bool = True
    masked: bool = True
    temperature: float = 1.0
    several: bool = True
    output: bool = True


USUAL = Switches()


@dataclass(frozen=True, slots=True)
class Worked:
    """A lesson computed to the end.

    Attributes:
        lesson: what it started from.
        switches: what was kept.
        tokens: X, what attention is given, [token, d_model].
        attention: the module that computed it.
        steps: everything it computed, without a batch.
    """

    lesson: Lesson
    switches: Switches
    tokens: Tensor
    attention: Attention
    steps: Steps


def work(lesson: Lesson, switches: Switches = USUAL) -> Worked:
    """Compute a lesson, by the module that models use.

    Raises:
        ShapeError: the matrices do not fit the tokens or each other.
        ConfigError: the temperature is not above 0.
    """
    width = lesson.embeddings.shape[1]
    for name, matrix in (("W_Q", lesson.query), ("W_K", lesson.key), ("W_V", lesson.value)):
        if matrix.shape[0] != width:
            raise ShapeError(
                f"{name} has {_counted(matrix.shape[0], 'row')}, and X has {_counted(width, 'column')}.",
                f"Give {name} as many rows as X has columns: {width}.",
            )
    same = torch.eye(width, dtype=lesson.embeddings.dtype)
    kept = (lesson.query, lesson.key, lesson.value) if switches.projections else (same,) * 3
    heads = lesson.heads if switches.several else 1
    if not switches.projections and width % heads:
        heads = 1
    output = lesson.output if switches.output else None
    if output is not None and output.shape[0] != kept[2].shape[1]:
        output = None
    attention = from_matrices(
        *kept,
        output,
        heads=heads,
        scaled=switches.scaled,
        causal=lesson.causal and switches.masked,
        temperature=switches.temperature,
    )
    tokens = lesson.embeddings
    if lesson.positions is not None and switches.positions:
        tokens = tokens + lesson.positions
    return Worked(lesson, switches, tokens, attention, attention.steps(tokens))


def text_lesson(text: str) -> Lesson:
    """Make a lesson of a text: a token is a word or a mark, with an embedding of its own.

    Embeddings are drawn from a seed that is the token itself, so that a word has the same wherever
    it stands and nothing had to be trained; the matrices are drawn once. All are rounded to one
    decimal, so that products can be followed with a pencil.

    Raises:
        TextError: it is empty.
        TextTooLongError: it has too many tokens to be read cell by cell.
    """
    check_text(text)
    labels = tuple(_words(text))
    if not labels:
        raise TextError(f"There is no word in {text!r:.40}.", "Write a word or two.")
    if len(labels) > MOST_TOKENS:
        raise TextTooLongError(
            f"The text has {len(labels)} tokens; every number of up to {MOST_TOKENS} is shown here.",
            "Shorten it, or open it in Explore.",
            tokens=len(labels),
            limit=MOST_TOKENS,
        )
    rows = [_drawn(1, WIDTH, zlib.crc32(label.encode("utf-8", "replace")))[0] for label in labels]
    query, key, value, output = (
        _drawn(WIDTH, WIDTH, SEED + number, spread=0.5) for number in range(4)
    )
    return Lesson(
        labels=labels,
        embeddings=torch.stack(rows),
        positions=sinusoids(len(labels), WIDTH).double(),
        query=query,
        key=key,
        value=value,
        output=output,
        heads=HEADS,
        causal=True,
    )


def numbers_lesson(
    tokens: Tensor, query: Tensor, key: Tensor, value: Tensor, *, heads: int = 1
) -> Lesson:
    """Make a lesson of X, W_Q, W_K and W_V: no positions, no mask, no output projection.

    Raises:
        ShapeError: there are too many rows, or the matrices do not fit.
        ConfigError: the number of heads is none.
    """
    lesson = Lesson(
        labels=tuple(f"x{row + 1}" for row in range(len(tokens))),
        embeddings=tokens,
        positions=None,
        query=query,
        key=key,
        value=value,
        output=None,
        heads=heads,
        causal=False,
    )
    work(lesson)
    return lesson


def textbook_lesson() -> Lesson:
    """Return the three tokens of width 3 that textbooks work through."""
    given = (EXAMPLE_TOKENS, EXAMPLE_QUERY, EXAMPLE_KEY, EXAMPLE_VALUE)
    tokens, query, key, value = (torch.tensor(one, dtype=torch.float64) for one in given)
    return numbers_lesson(tokens, query, key, value)


def reversed_before_last(lesson: Lesson) -> Lesson:
    """Let the tokens before the last come in reverse order; places stay where they are."""
    order = [*range(len(lesson.labels) - 2, -1, -1), len(lesson.labels) - 1]
    return replace(
        lesson,
        labels=tuple(lesson.labels[index] for index in order),
        embeddings=lesson.embeddings[order],
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _words(text: str) -> list[str]:
    """Cut a text into runs of letters and marks; a Chinese character is a word, an emoji a mark.

    A letter that can be written in two ways is the same letter, and what is joined stays so.
    """
    written = unicodedata.normalize("NFC", text)
    return [word for word, _ in WORDS.pre_tokenize_str(written)]


def _drawn(rows: int, columns: int, seed: int, *, spread: float = 1.0) -> Tensor:
    # A generator of its own, because the one of the process is shared by all who run models.
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    return (drawn * spread).round(decimals=1)
