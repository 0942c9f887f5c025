"""Which windows share a forward pass, so that what a pass costs besides its arithmetic is paid for several at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from viz.capture.capture import capture
from viz.capture.shared_pass import capture_together, may_share_a_pass
from viz.capture.trace import Trace
from viz.errors import CaptureError, LoupeError, VerificationError
from viz.models import Model
from viz.survey.texts.windows import Window

# Tokens of a pass: with more, what it computes leaves a core's caches, and a pause waits longer.
PASS_TOKENS = 1024

# One pass in so many of a kind is compared with its last window alone.
PROVEN_EVERY = 16

# Queries, keys and outputs that are held at a time, in bytes.
HELD_BYTES = 400 << 20


class WindowPasses:
    """Captures windows in their order, and those of one length ahead of it.

    Windows of one length are run together without padding, so that each is given to the model as when it is alone. Of the
    first passes of a kind, and of some later ones, the last window is run alone, too: a model whose windows look at one
    another, or cannot be told apart, reads each alone from then on.

    Args:
        model: that reads them.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        # Whether windows share passes; None until that is proven or not.
        self._shared: bool | None = None
        # How many passes there were of so many windows of one length.
        self._passes: Counter[tuple[int, int]] = Counter()
        self._token_bytes = 0
        self._ahead: dict[Window, Trace] = {}

    @property
    def shared(self) -> bool | None:
        """Whether windows of one length share passes; None until two of them were read."""
        return self._shared

    def trace(self, window: Window, among: Sequence[Window]) -> Trace:
        """Capture a window, unless it shared a pass with one before.

        Args:
            window: the next one.
            among: which windows may be captured ahead, those after it alone.

        Returns:
            Its trace, without the model's output.

        Raises:
            LoupeError: as `viz.capture` does for its text.
        """
        # Others are not wanted any more, as when a survey was stopped among them.
        self._ahead = {one: trace for one, trace in self._ahead.items() if one in among}
        if (found := self._ahead.pop(window, None)) is not None:
            return found
        alone = None
        if not self._token_bytes:
            alone = capture(self._model, window.text)
            self._token_bytes = alone.memory_bytes // max(1, len(alone.units))
        group = self._group(window, among)
        if len(group) > 1:
            self._run_together(group)
        if (found := self._ahead.pop(window, None)) is not None:
            return found
        return (alone or capture(self._model, window.text)).without_output()

    def _run_together(self, group: Sequence[Window]) -> None:
        kind, texts = (len(group), group[0].tokens), [one.text for one in group]
        try:
            proves = self._passes[kind] % PROVEN_EVERY == 0
            last = capture(self._model, texts[-1]) if proves else None
            traces = capture_together(self._model, texts, last_alone=last)
        except (CaptureError, VerificationError):
            self._shared = False
        except LoupeError:
            return  # one of the texts cannot be read, as it says itself when it is alone
        else:
            self._shared = True
            self._passes[kind] += 1
            self._ahead |= dict(zip(group, traces, strict=True))

    def _group(self, window: Window, among: Sequence[Window]) -> list[Window]:
        """Choose windows of the same length for a pass, the given one first."""
        if self._shared is False or not may_share_a_pass(self._model):
            return [window]
        room = HELD_BYTES // max(1, self._token_bytes * window.tokens) - len(self._ahead)
        most = min(room, PASS_TOKENS // window.tokens)
        alike = [
            one
            for one in among
            if one.number > window.number and one.tokens == window.tokens and one not in self._ahead
        ]
        return [window, *alike][: max(1, most)]
