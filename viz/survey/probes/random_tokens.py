"""Random tokens of a model's vocabulary that stand for text, in the frame that its tokenizer puts around one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from viz.errors import ModelRefusedError
from viz.inputs.text import decoder_ids
from viz.inputs.token_text import special_ids, spell
from viz.models import Model
from viz.models.context_length import table_of_ids
from viz.models.forward_signature import forward_parameters
from viz.models.sentence_transformers import SentenceReader

# Names of tokens that were kept free or that steer a model: [unused7], <extra_id_0>, <|im_start|>, <0x0A>.
STEERING = re.compile(r"\[\S+\]|<\S+>")

# Tokens that have to differ, for one of them to be looked for.
LEAST_LENGTH = 2

# Any text that a tokenizer cuts into something, to see what it puts around it.
ANY_TEXT = "a"


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens before and behind a text."""

    before: tuple[int, ...]
    behind: tuple[int, ...]

    def around(self, ids: list[int]) -> list[int]:
        """Put them around the tokens of a text."""
        return [*self.before, *ids, *self.behind]

    def __len__(self) -> int:
        return len(self.before) + len(self.behind)


def repeated_inputs(
    model: Model, *, sequences: int, length: int, seed: int
) -> Iterator[Mapping[str, Any]]:
    """Draw tokens that come twice over, as a model's own inputs; an encoder-decoder reads and writes them.

    Args:
        model: what reads them.
        sequences: how many.
        length: different tokens of one before it comes again; fewer where the model knows or reads no more.
        seed: of the tokens.

    Raises:
        ModelRefusedError: it reads no tokens, or no two.
    """
    tokens, frame = text_tokens(model), text_frame(model)
    written = decoder_ids(model, None) if model.kind == "seq2seq" else []
    length = min(length, len(tokens), *_halves_that_fit(model, len(frame), len(written)))
    draw = np.random.default_rng(seed)
    for _ in range(sequences):
        once = drawn_tokens(model, tokens, length, draw) if length >= LEAST_LENGTH else []
        if len(once) < LEAST_LENGTH:
            raise ModelRefusedError(
                f"{model.name} reads no {2 * LEAST_LENGTH} tokens in a row, or knows fewer than {LEAST_LENGTH}.",
                "Choose a model that reads longer texts.",
            )
        inputs = {"input_ids": torch.tensor([frame.around([*once, *once])])}
        if model.kind == "seq2seq":
            inputs["decoder_input_ids"] = torch.tensor([[*written, *once, *once]])
        yield inputs


def _halves_that_fit(model: Model, around: int, before: int) -> Iterator[int]:
    """Say how long a sequence may be to be read, and to be written, twice over."""
    if model.context_limit is not None:
        yield max(0, model.context_limit - max(around, before)) // 2
    if model.kind == "seq2seq" and model.written_limit is not None:
        yield max(0, model.written_limit - before) // 2


def text_frame(model: Model) -> Frame:
    """Return the special tokens that a model's tokenizer puts around a text; none where it has no tokenizer."""
    if model.tokenizer is None:
        return Frame((), ())
    ids = [int(number) for number in model.tokenizer(ANY_TEXT)["input_ids"]]
    known = special_ids(model.tokenizer)
    text = [place for place, number in enumerate(ids) if number not in known]
    if not text:
        return Frame((), ())
    return Frame(tuple(ids[: text[0]]), tuple(ids[text[-1] + 1 :]))


def text_tokens(model: Model) -> NDArray[np.int64]:
    """List the ids that stand for text: no special, added or unused ones; all but those in roles without a tokenizer.

    Raises:
        ModelRefusedError: the model reads no tokens, or how many it knows cannot be told.
    """
    config = getattr(model.module, "config", None)
    takes = forward_parameters(model.module)
    if "input_ids" not in takes and not isinstance(model.module, SentenceReader):
        raise ModelRefusedError(
            f"The forward of {model.name} takes no input_ids.", "Choose a model that reads text."
        )
    table = getattr(table_of_ids(model.module), "num_embeddings", None)
    known = [table, getattr(config, "vocab_size", None)]
    if model.tokenizer is not None:
        known.append(len(model.tokenizer))
    counts = [count for count in known if isinstance(count, int) and count > 0]
    if not counts:
        raise ModelRefusedError(
            f"How many tokens {model.name} knows cannot be told.",
            "Wrap it with its tokenizer: viz.wrap_model(module, tokenizer).",
        )
    ids = np.arange(min(counts))
    if model.tokenizer is None:
        roles = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
        return np.setdiff1d(ids, [one for role in roles for one in _listed(config, role)])
    return np.setdiff1d(ids, [*special_ids(model.tokenizer), *_added(model)])


def drawn_tokens(
    model: Model, tokens: NDArray[np.int64], count: int, draw: np.random.Generator
) -> list[int]:
    """Draw different tokens that can be read: fewer where there are not as many.

    Args:
        model: whose tokenizer says what can be read.
        tokens: to draw from.
        count: how many.
        draw: where chance comes from.
    """
    ids = [int(number) for number in draw.permutation(tokens)]
    found: list[int] = []
    # Only some of a large vocabulary are looked at.
    for start in range(0, len(ids), 2 * count):
        found += _readable(model, ids[start : start + 2 * count])
        if len(found) >= count:
            break
    return found[:count]


def _readable(model: Model, ids: list[int]) -> list[int]:
    """Of some tokens, take those that stand for text that can be seen."""
    if model.tokenizer is None:
        return ids
    spelling = spell(model.tokenizer, ids)
    named = zip(ids, spelling.names, spelling.texts, strict=True)
    return [number for number, name, text in named if text.strip() and not STEERING.fullmatch(name)]


def _added(model: Model) -> list[int]:
    """List the tokens that were added to a vocabulary after it was learnt."""
    added = getattr(model.tokenizer, "added_tokens_decoder", {})
    return [int(number) for number in added]


def _listed(config: object, role: str) -> list[int]:
    """List the ids that a configuration has in a role, of which there may be one, several or none."""
    given = getattr(config, role, None)
    numbers = given if isinstance(given, (list, tuple)) else [given]
    return [one for one in numbers if isinstance(one, int)]
