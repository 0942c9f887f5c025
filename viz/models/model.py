"""A loaded model and what the rest of the house needs to know of it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

_locks: weakref.WeakKeyDictionary[torch.nn.Module, threading.Lock] = weakref.WeakKeyDictionary()
_naming = threading.Lock()

# Kinds of inputs of which it is remembered what could not be read off.
REMEMBERED = 64

Sense = Literal["text", "image", "sound"]
# One of each, with its article.
ONE: dict[Sense, str] = {"text": "a text", "image": "an image", "sound": "a sound"}

Kind = Literal["causal", "masked", "encoder", "seq2seq", "other"]
Tier = Literal["registry", "hooks", "eager", "given"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a pass of a model shows its attention.

    Attributes:
        given: the attention implementations that the model came with, for which the plan holds.
        way: the one that it is set to; None for those.
        asked: whether it is asked for its weights.
        by_kernel: parts whose calls of a kernel are seen.
        registry: whether all that attends is seen at the registry of transformers, so that nothing else
            need be watched.
    """

    given: frozenset[str] = frozenset()
    way: str | None = None
    asked: bool = False
    by_kernel: frozenset[str] = frozenset()
    registry: bool = False

    @property
    def as_given(self) -> bool:
        """Whether the model computes just as it does for anyone else."""
        return self.way is None and not self.asked


@dataclass(eq=False, slots=True)
class Model:
    """A model that is ready to be observed.

    Attributes:
        name: as the user named it.
        revision: the hub revision asked for.
        module: the transformers model, in evaluation mode.
        tokenizer: None for models wrapped without one; texts cannot be run then.
        device: where it runs.
        dtype: what it computes in.
        processor: turns images or sounds into inputs; None for models of text.
        kind: `causal` predicts the next token, `masked` fills in, `encoder` does neither; `seq2seq`
            reads one text and writes another; `other` reads no text, or is no transformers model.
        tier: how weights were come by in the last pass; None before the first.
        context_limit: how many tokens it reads; None if any number.
        written_limit: how many its decoder writes, where that is told apart from what its encoder reads.
        takes_pairs: whether its tokenizer marks a second text.
        layers: attention layers.
        heads: heads of a layer, at most.
        parameters: how many.
        reads: what a person can give it, as far as its forward tells.
        plan: how the last pass showed its attention; the next one begins with it, and is proven anew.
        read: parts whose weights are read off them with other values, because no kernel shows them.
        written: parts that write their softmax out by hand.
        unshown: parts that project values but whose output is no weighted mean of them, such as
            linear attention.
        unreadable: parts that could not be read off, by the shapes of the inputs that they were given.
        fingerprint: a digest of name, revision, configuration and some weights.
        lock: held during a forward pass, because some modules write to themselves in one.
    """

    name: str
    revision: str | None
    module: torch.nn.Module
    tokenizer: Any | None
    processor: Any | None
    device: torch.device
    dtype: torch.dtype
    kind: Kind
    tier: Tier | None
    context_limit: int | None
    takes_pairs: bool
    layers: int
    heads: int
    parameters: int
    fingerprint: str
    reads: frozenset[Sense] = frozenset({"text"})
    written_limit: int | None = None
    plan: Plan | None = None
    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()
    unreadable: dict[Hashable, tuple[str, ...]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __repr__(self) -> str:
        # Of a model that no probe could run, nothing is known before its first capture.
        seen = f"{self.tier}, {self.layers} x {self.heads} heads, " if self.tier else ""
        return f"Model({self.name!r}: {self.kind}, {seen}{self.parameters:,} parameters)"

    def __post_init__(self) -> None:
        # Wrapped twice, a module is still one.
        with _naming:
            self.lock = _locks.setdefault(self.module, self.lock)

    def remember_unreadable(self, inputs: Hashable, parts: tuple[str, ...]) -> None:
        """Keep which parts could not be read off, for the latest kinds of inputs."""
        self.unreadable.pop(inputs, None)
        if parts:
            self.unreadable[inputs] = parts
        for oldest in list(self.unreadable)[:-REMEMBERED]:
            del self.unreadable[oldest]


def one_of(senses: Iterable[Sense]) -> str:
    """Say "an image or a text"; own inputs where no sense is known."""
    return " or ".join(ONE[sense] for sense in sorted(senses)) or "a dict of its own inputs"


def several(senses: Iterable[Sense]) -> str:
    """Say "images or texts"."""
    return " or ".join(f"{sense}s" for sense in sorted(senses))
