"""What a model was seen to do while it wrote: the ids that it read, where they stood, its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.observed_pass import Progress

# Logits of each answer that are kept, spread over the vocabulary: what moves a hidden state moves
# nearly all of them.
KEPT_LOGITS = 1024

# A model's own tables that are compared by their numbers; rotary frequencies are a few dozen.
COMPARED_NUMBERS = 65_536

# How far two answers to the same ids may be apart, as a share of the logits' spread, in units of
# epsilon. A pass over a whole text and one over a token add up in other orders.
SUMMED = 256
ROUNDED = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """One forward pass while a model wrote.

    Attributes:
        ids: what it read, [row, token].
        held: how many tokens its cache held before.
        logits: what it answered after the last of them, [row, answer, kept].
        tables: the model's own small buffers after it.
    """

    ids: Tensor
    held: int
    logits: Tensor | None
    tables: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Account:
    """What was seen of a text, beside one pass over the finished text.

    Attributes:
        off: by position, how far what the model answered while it wrote is from the one pass.
        unseen: positions of which no answer was seen.
        again: how many tokens the last reading from the start had, where one came after the first.
        changed: at which position the model's own tables changed since; None where they did not.
        allowed: how far rounding may take an answer.
        prompt: how many tokens stood there before.
    """

    off: dict[int, float]
    unseen: tuple[int, ...]
    again: int
    changed: int | None
    allowed: float
    prompt: int

    @property
    def room(self) -> int:
        """How many tokens could have been written with no row in doubt."""
        wrong = self.changed if self.changed is not None else self.late
        return (wrong or 0) - self.prompt + 1

    @property
    def late(self) -> int | None:
        """The first position, of those read once and for all, that was answered otherwise."""
        wrong = [at for at, off in self.off.items() if off > self.allowed and at >= self.again - 1]
        return min(wrong, default=None)

    @property
    def early(self) -> bool:
        """Whether what was answered before the last reading from the start was answered otherwise."""
        return any(off > self.allowed for at, off in self.off.items() if at < self.again - 1)


class Witness:
    """Watches the passes of a model that writes."""

    def __init__(self, module: nn.Module, prompt: int, new_tokens: int, tell: Progress) -> None:
        self.module = module
        self.prompt = prompt
        self.new_tokens = new_tokens
        self.tell = tell
        self.seen: list[Seen] = []
        self._held = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while this lasts."""
        before = self.module.register_forward_pre_hook(self._before, with_kwargs=True)
        after = self.module.register_forward_hook(self._after, with_kwargs=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._held = held_tokens(kwargs)

    def _after(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        ids = ids_read(args, kwargs)
        if ids is None:
            return
        logits = getattr(result, "logits", None)
        answers = None
        if isinstance(logits, Tensor) and logits.ndim == 3 and len(logits) == len(ids):
            # Before the prompt's end nothing was written.
            most = max(1, min(ids.shape[1], self._held + ids.shape[1] - self.prompt + 1))
            answers = kept(logits[:, -most:]).cpu()
        before = self.seen[-1].tables if self.seen else {}
        tables = tables_of(self.module, before)
        self.seen.append(Seen(ids.cpu(), self._held, answers, tables))
        self.tell("forward", min(1.0, len(self.seen) / self.new_tokens))

    def account(self, written: Tensor, logits: Tensor, *, drafting: bool = False) -> Account:
        """Lay what was seen beside one pass.

        Args:
            written: the finished text's ids, [token].
            logits: of one pass over all but the last, [token - 1, vocabulary].
            drafting: whether the model's first layers drafted what it then read, so that a reading
                from the start may be theirs.
        """
        written = written.cpu()
        plain = kept(logits).cpu()
        spread = logits.float().amax(-1).sub(logits.float().amin(-1)).clamp(min=1e-30).cpu()
        wanted = range(self.prompt - 1, len(written) - 1)
        off: dict[int, float] = {}
        again, since, read = 0, 0, 0
        for number, seen in enumerate(self.seen):
            for at, answer in self._answers(seen, written):
                if at in wanted:
                    distance = float((answer - plain[at]).abs().max() / spread[at])
                    off[at] = min(distance, off.get(at, distance))
            # What follows were drafts, and was read once more.
            known = max(_alike(row, written) for row in seen.ids) if seen.held == 0 else 0
            if known >= self.prompt and read and not drafting:
                again, since = known, number
            read = read or known
        return Account(
            off=off,
            unseen=tuple(at for at in wanted if at not in off),
            again=again,
            changed=self._changed(since),
            allowed=allowed_distance(logits.dtype),
            prompt=self.prompt,
        )

    def _answers(self, seen: Seen, written: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield what was answered at places of the written text, of every row that reads it there."""
        count = seen.ids.shape[1]
        there = written[seen.held : seen.held + count]
        if seen.logits is None or len(there) == 0:
            return
        for ids, logits in zip(seen.ids, seen.logits, strict=True):
            for place in range(count - len(logits), _alike(ids, there)):
                yield seen.held + place, logits[place - count + len(logits)]

    def _changed(self, since: int) -> int | None:
        """Find the first pass after which a table of the model's own was another."""
        if not self.seen:
            return None
        first = self.seen[since].tables
        for seen in self.seen[since + 1 :]:
            if any(name in first and _other(first[name], t) for name, t in seen.tables.items()):
                return seen.held
        return None


def held_tokens(kwargs: dict[str, Any]) -> int:
    """How many tokens a pass finds in its cache."""
    cache = kwargs.get("past_key_values")
    length = getattr(cache, "get_seq_length", None)
    return int(length()) if callable(length) else 0


def ids_read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """The ids that a pass reads where it writes; None where it is given none."""
    ids = kwargs.get("decoder_input_ids", kwargs.get("input_ids", args[0] if args else None))
    return ids if isinstance(ids, Tensor) and ids.ndim == 2 else None


def tables_of(module: nn.Module, before: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy the small buffers of a model, such as its rotary frequencies, where they are others now."""
    return {
        name: held
        if (held := before.get(name)) is not None and torch.equal(held, table)
        else table.clone()
        for name, table in module.named_buffers()
        if table.numel() <= COMPARED_NUMBERS
    }


def kept(logits: Tensor) -> Tensor:
    """Copy some logits of each answer, float32, [.., kept]; those that write change them in place."""
    stride = -(-logits.shape[-1] // KEPT_LOGITS)
    return logits.detach()[..., ::stride].to(torch.float32, copy=True)


def allowed_distance(dtype: torch.dtype) -> float:
    """How far two answers to the same ids may be apart, as a share of the logits' spread."""
    summed = dtype in (torch.float32, torch.float64)
    return (SUMMED if summed else ROUNDED) * torch.finfo(dtype).eps


def _alike(ids: Tensor, written: Tensor) -> int:
    """How many ids are the same from the start."""
    shared = min(len(ids), len(written))
    return int((ids[:shared] == written[:shared]).long().cumprod(0).sum())


def _other(before: Tensor, after: Tensor) -> bool:
    """Whether a table holds other numbers; one that only grew at its end does not."""
    if before.ndim != after.ndim or before.shape[1:] != after.shape[1:]:
        return True
    if before.ndim == 0:
        return not torch.equal(before, after)
    shared = min(len(before), len(after))
    return not torch.equal(before[:shared], after[:shared])
