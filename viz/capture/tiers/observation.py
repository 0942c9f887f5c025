"""Everything that shows attention during one pass, each part by the first way that proves it.

A part's calls of a kernel come first, because they are recorded as queries and keys. A softmax that it
writes out by hand is next: the very numbers that it multiplied its values with. Where neither is there,
its weights are read off it with other values. What projects values and shows in none of these ways is
named as not shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from viz.capture.replay.joined_chunks import Cut, put_together
from viz.capture.tiers.eager import is_related, likely, unclear_parts
from viz.capture.tiers.hand_written import is_users
from viz.capture.tiers.registry import AttentionCall, Observer, observe, split_mask, unobserved
from viz.capture.tiers.sdpa_calls import Watch
from viz.capture.tiers.softmax_calls import STREAM, Softmaxes
from viz.capture.tiers.unshown_parts import left_out
from viz.capture.tiers.value_probe import PartRun, Reading, ValueReader, value_parts
from viz.capture.tiers.watching import watch
from viz.capture.tiers.whole_patterns import covers, is_whole
from viz.models.model import Plan
from viz.models.part_names import part_names

# How a softmax that a part writes out besides its calls of a kernel is told from those.
BESIDES = "besides"


class Observation:
    """Observes one pass of a module, for as long as the context lasts.

    Args:
        module: the whole.
        on_call: is shown every call of a kernel.
        on_reading: is given what is read off a part.
        plan: of an earlier pass, which says what need not be watched.
        item: which input of the batch is read off parts.
        batch: how many inputs there are.
        passed_over: parts that are not to be read off, because they could not be with such inputs.
        hopeless: parts that could not be read off when the model was set otherwise; they may show yet.

    Attributes:
        calls: how many calls of a kernel each part made.
        written: parts that wrote a softmax out and multiplied values with it, and its weights; there
            once the pass has ended, as `read`, `unread` and `errors` are.
        errors: max |weights @ v - output| of those, by where their numbers lie.
        read: parts whose weights were read off them.
        unread: parts that project values, or weigh something by a softmax, and show in no way.
        heads: of a layer, at most.
        looks_ahead: whether any query looks at a later key.
    """

    def __init__(
        self,
        module: nn.Module,
        on_call: Observer,
        on_reading: Callable[[Reading], None],
        *,
        plan: Plan | None = None,
        item: int = 0,
        batch: int = 1,
        passed_over: Collection[str] = (),
        hopeless: Collection[str] = (),
    ) -> None:
        self.module = module
        self.calls: Counter[str] = Counter()
        self.at_kernel = False
        self.written: list[tuple[str, Tensor]] = []
        self.errors: dict[int, float | None] = {}
        self.read: list[str] = []
        self.unread: list[str] = list(passed_over)
        self.heads = 0
        self.looks_ahead = False
        self._on_call: Callable[[Any], None] = on_call
        self._on_reading: Callable[[Any], None] = on_reading
        self._names = part_names(module)
        self._softmaxes = Softmaxes(module)
        self._narrow = plan is not None and plan.registry
        seen = set() if plan is None else plan.by_kernel
        parts = [
            part
            for part in value_parts(module)
            if part.name not in {*passed_over, *hopeless} and not is_related(part.name, seen)
        ]
        self._reader: ValueReader | None = ValueReader(
            *(module, parts, self._note, self._is_explained),
            item=item,
            batch=batch,
            log=self._softmaxes.log,
        )
        self._batch = batch
        self._hopeless = hopeless
        self._pieces: set[str] = set()
        self._cuts: dict[str, list[tuple[Cut | None, Cut | None]]] = {}
        self._weighing: set[str] = set()
        self._told: dict[str, int] = {}
        self._last: AttentionCall | None = None
        self._context = ExitStack()
        self._watch: Watch | None = None

    def __enter__(self) -> Observation:
        if self._narrow:
            self._context.enter_context(observe(self._see))
        else:
            watching = watch(self.module, self._see, batch=self._batch)
            self._watch = self._context.enter_context(watching)
            if self._reader is not None:
                self._context.enter_context(self._reader)
            self._context.enter_context(self._softmaxes)
        return self

    def __exit__(self, *details: Any) -> None:
        self._last = None
        self._context.__exit__(*details)
        if not self._narrow:
            self._conclude()
        # What it holds holds it, too; queries and weights must not wait for Python to collect them.
        self._softmaxes.release()
        self._reader = self._watch = None
        self._context = ExitStack()
        self._on_call = self._on_reading = _nobody

    def _conclude(self) -> None:
        """Say what the pass has shown besides calls and readings."""
        found = [pair for pair in likely(self._softmaxes) if pair[0] not in self._pieces]
        # What a part writes out besides a call of a kernel is a layer of its own.
        self.written = [
            (f"{name}{STREAM}{BESIDES}" if name in self.seen else name, weights)
            for name, weights in found
            if not is_related(name.partition(STREAM)[0], self.read)
        ]
        self.errors = self._softmaxes.errors
        self._put_chunks_together()
        names = {name for name, _ in self.written}
        # A part inside one that is shown may weigh something of its own.
        self._weighing = {*self._softmaxes.dropped, *unclear_parts(self._softmaxes)}
        weighed = sorted(self._weighing | self._pieces)
        self.unread += [name for name in weighed if name not in names and not self._is_shown(name)]
        self.unread += [name for name in self._hopeless if not is_related(name, self.shown)]
        for _, weights in self.written:
            self.heads = max(self.heads, int(weights.shape[1]))
            self.looks_ahead = self.looks_ahead or bool(weights.float().triu(1).any())

    def _put_chunks_together(self) -> None:
        """Show a part that was given one sequence chunk by chunk as one layer (Canine's local attention)."""
        for name, cuts in self._cuts.items():
            pieces = [weights for one, weights in self.written if one == name]
            whole = put_together(pieces, cuts)
            if whole is None:
                continue
            at = next(n for n, (one, _) in enumerate(self.written) if one == name)
            errors = [self.errors.get(piece.data_ptr()) for piece in pieces]
            known = [error for error in errors if error is not None]
            self.errors[whole.data_ptr()] = max(known, default=None)
            others = [pair for pair in self.written if pair[0] != name]
            before = len([pair for pair in self.written[:at] if pair[0] != name])
            self.written = [*others[:before], (name, whole), *others[before:]]

    @property
    def seen(self) -> set[str]:
        """The parts that made calls of a kernel."""
        return set(self.calls)

    @property
    def layers(self) -> int:
        """How many attention layers showed."""
        return self.calls.total() + len(self.read) + len(self.written)

    def shown_twice(self) -> set[str]:
        """Parts that were read off and belong to one whose call of a kernel was seen later."""
        return {name for name in self.read if is_related(name, self.seen)}

    @property
    def shown(self) -> set[str]:
        """The parts whose attention showed."""
        return {*self.seen, *self.read, *(name for name, _ in self.written)}

    def unshown(self, also: Collection[str] = ()) -> tuple[str, ...]:
        """Name the parts that mix tokens and do not show, nor among others that are shown also."""
        shown = {*self.shown, *also}
        found = [
            name
            for name in dict.fromkeys(self.unread)
            if name not in shown and (name in self._weighing or not is_related(name, shown))
        ]
        return left_out(self.module, shown, found)

    @property
    def at_registry_alone(self) -> bool:
        """Whether every part that attends was seen at the registry of transformers."""
        return not (self.at_kernel or self.written or self.read or self.unread)

    def _see(self, call: AttentionCall) -> None:
        # The last call is held, so that no other tensor can lie where its own does.
        last, self._last = self._last, call
        if last is not None and call.repeats(last):
            return
        self.calls[self._names.get(id(call.module), "")] += 1
        self.at_kernel = self.at_kernel or call.tier == "hooks"
        self.heads = max(self.heads, int(call.query.shape[1]))
        self.looks_ahead = self.looks_ahead or looks_ahead(call)
        # What is computed to check a call is nobody's attention.
        with unobserved():
            self._on_call(call)

    def _note(self, name: str, reading: Reading | None) -> None:
        if reading is None:
            self.unread.append(name)
            return
        self.read.append(name)
        self.heads = max(self.heads, len(reading.weights))
        self.looks_ahead = True
        self._on_reading(reading)

    def _is_explained(self, run: PartRun) -> bool:
        """Whether a part that has just run was seen at a kernel, or wrote out a softmax as a whole."""
        part = run.part
        waiting = None if self._watch is None else self._watch.waiting
        at_kernel = {*self.seen, *([] if waiting is None else [self._names.get(id(waiting), "")])}
        if is_related(part.name, at_kernel):
            return True
        if is_users(part.part):
            return False
        made = [pair for pair in self._softmaxes.made() if _is_within(pair[0], part.name)]
        new, self._told[part.name] = made[self._told.get(part.name, 0) :], len(made)
        known = (run.projected, run.output, part.heads, self._batch)
        if len(new) == 1 and len(run.read) == 1 and run.given is not None:
            cut = Cut.of(run.given), Cut.of(run.read[0])
            self._cuts.setdefault(new[0][0], []).append(cut)
        self._pieces |= {name for name, one in new if not covers(one, *known)}
        return len(new) == 1 and is_whole(new[0][1], *known)

    def _is_shown(self, name: str) -> bool:
        return name in self.seen or is_related(name.partition(STREAM)[0], self.read)


def _nobody(_seen: object) -> None:
    """Take what comes after the pass has ended."""


def _is_within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def looks_ahead(call: AttentionCall) -> bool:
    """Whether the call's mask lets any query look at a later key."""
    if call.mask is None:
        return not call.is_causal and call.query.shape[2] > 1
    allowed, _ = split_mask(call.mask)
    return allowed is None or bool(allowed.triu(1).any())
