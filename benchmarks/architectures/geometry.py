"""Capture one model at its default attention geometry, at several lengths, against the model as loaded."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

import viz
from benchmarks.architectures.exact import Exact, rows_like
from benchmarks.architectures.examine import (
    EXACT,
    KEPT_ITEM,
    OTHER_KERNEL,
    Finding,
    as_called,
    distance,
    examine,
    flat,
    own_streams,
)
from benchmarks.architectures.fields import first, sized
from benchmarks.architectures.inputs import candidates
from benchmarks.architectures.shrink import tiny_model
from benchmarks.architectures.sizes import GEOMETRY, POSITIONS
from viz.capture.replay.module_runs import with_attentions
from viz.capture.tiers.eager import is_related, returned_weights
from viz.models.model_outputs import first_output

TOKENS = (12, 130, 300, 700)

# What a picture is where nothing is said of it, in pixels: what most are trained on.
SIDE = 224

# Where a model does not read so many tokens, what it may read instead.
SHORTER = (512, 510, 256, 128, 77, 64, 48, 32, 24)

# How long and how often an eager pass is timed: some clocks of the processor count hundredths.
LEAST_SECONDS, MOST_PASSES = 0.1, 20


@dataclass(slots=True)
class Measured:
    """What became of one model type at one length.

    Attributes:
        tokens: how many were asked for.
        given: shapes of what the model was given.
        own: the implementation that transformers loads it with.
        output_error: of the output, as a share of its largest number; from the model as loaded.
        error: of the weights, from the model's own eager ones.
        eager_differs: of the model's eager output from its output as loaded, as a share.
        compared: how many layers there are eager weights of.
        layers: how many are shown.
        small_layers: how many are where everything is small.
        hidden: parts that return weights of their own and are neither shown nor in `unshown`.
        capture_s, eager_s, wrap_s: processor time.
    """

    model_type: str
    tokens: int
    verdict: str = "?"
    why: str = ""
    given: str = ""
    own: str = ""
    tiers: str = ""
    stacks: str = ""
    error: float = 0.0
    output_error: float = 0.0
    eager_differs: float = 0.0
    compared: int = 0
    layers: int = 0
    small_layers: int = 0
    hidden: str = ""
    unshown: str = ""
    capture_s: float = 0.0
    eager_s: float = 0.0
    wrap_s: float = 0.0

    @property
    def ratio(self) -> float:
        """How many eager passes a first capture takes."""
        return self.capture_s / self.eager_s if self.eager_s else 0.0


def measure(model_type: str) -> Iterator[Measured]:
    """Capture a model type at every length; small widths first, then its own."""
    failed: Measured | None = None
    for only_shallow in (False, True):
        try:
            loaded, eager = _models(model_type, only_shallow=only_shallow)
        except Exception as error:
            failed = failed or Measured(model_type, 0, "not built", said(error))
            continue
        rows = _at_every_length(model_type, loaded, eager, examine(model_type))
        first_row = next(rows)
        if first_row.verdict != "not run" or only_shallow:
            yield first_row
            yield from rows
            return
        failed = first_row
    if failed is not None:
        yield failed


def _models(model_type: str, *, only_shallow: bool) -> tuple[Any, Any]:
    """Build a model as transformers loads it, and the same with eager attention; None if it cannot."""
    loaded = tiny_model(model_type, only_shallow=only_shallow, kept=GEOMETRY, attention=None)
    if loaded.config._attn_implementation == "eager":
        return loaded, copy.deepcopy(loaded)
    try:
        eager = tiny_model(model_type, only_shallow=only_shallow, kept=GEOMETRY)
        eager.load_state_dict(loaded.state_dict())
    except Exception:
        eager = None
    return loaded, eager


def _at_every_length(
    model_type: str, loaded: Any, eager: Any, small: Finding
) -> Iterator[Measured]:
    done: set[str] = set()
    # What shows nowhere where it is small is looked for once more, and not at every length.
    for tokens in TOKENS[:1] if small.verdict == "no attention" else TOKENS:
        for count in _lengths(loaded.config, tokens):
            with sized(count, side=SIDE):
                inputs = _inputs(loaded)
            if inputs is not None:
                break
        else:
            if not done:
                yield Measured(model_type, tokens, "not run", _why(loaded, tokens))
            continue
        given = _shapes(inputs)
        if given not in done:
            done.add(given)
            found = Measured(model_type, count, given=given)
            found.own = loaded.config._attn_implementation
            try:
                yield measured(found, loaded, eager, inputs, small)
            except Exception as error:
                # What this script itself cannot do is said like everything else.
                yield replace(found, verdict="not run", why=said(error))


def _lengths(config: Any, tokens: int) -> Iterator[int]:
    """Give a length, then shorter ones that a model may read in its stead."""
    yield tokens
    shorter = [TOKENS[TOKENS.index(tokens) - 1] if tokens != TOKENS[0] else 0]
    most = first(config, POSITIONS, 0)
    for count in (most, most - 2, *SHORTER):
        if shorter[0] < count < tokens:
            yield count


def _inputs(loaded: Any) -> dict[str, Any] | None:
    """Make inputs that the model can run; a copy of it, because BigBird keeps what a text made of it."""
    tried = copy.deepcopy(loaded)
    for inputs in candidates(tried):
        try:
            torch.manual_seed(0)
            with torch.inference_mode():
                tried(**copy.deepcopy(inputs))
        except Exception:
            continue
        return inputs
    return None


def _why(loaded: Any, tokens: int) -> str:
    """Say what the first inputs failed on."""
    with sized(tokens, side=SIDE):
        for inputs in candidates(loaded):
            try:
                with torch.inference_mode():
                    loaded(**copy.deepcopy(inputs))
            except Exception as error:
                return said(error)
    return "no inputs"


def measured(
    found: Measured, loaded: Any, eager: Any, inputs: dict[str, Any], small: Finding
) -> Measured:
    """Capture once, and compare with the plain pass and with eager's own weights."""
    torch.manual_seed(0)
    with torch.inference_mode():
        expected = first_output(copy.deepcopy(loaded)(**copy.deepcopy(inputs)))
    own = _own_weights(found, eager, inputs, expected)
    module = copy.deepcopy(loaded)
    try:
        start = time.process_time()
        model = viz.wrap_model(module)
        found.wrap_s = time.process_time() - start
        torch.manual_seed(0)
        start = time.process_time()
        trace = viz.capture(model, copy.deepcopy(inputs), item=KEPT_ITEM.get(found.model_type))
        found.capture_s = time.process_time() - start
    except viz.LoupeError as error:
        found.verdict, found.why = "refused", str(error)[:600]
        # Attention that shows where it is small is there where it is not.
        if "no softmax attention" in str(error) and small.verdict == "no attention":
            found.verdict = "no attention"
        return found
    except Exception as error:
        found.verdict, found.why = "crashed", said(error)
        return found
    # Rows that are shares of one input stay together.
    whole = trace.output.shape == expected.shape
    kept = expected if whole else expected[KEPT_ITEM.get(found.model_type, 0)]
    _judge(found, trace, own, kept, eager, inputs)
    _judge_parts(found, trace, small)
    found.small_layers = _layers(small)
    if found.verdict.startswith("exact") and found.layers < found.small_layers:
        # Nothing left out: it was given less, a text without a picture.
        found.verdict = "in part" if found.unshown else found.verdict
        found.why = f"{found.small_layers} layers where it is small; not shown: {found.unshown}"[
            :300
        ]
    return found


def _judge_parts(found: Measured, trace: Any, small: Finding) -> None:
    """See that a part that attends once is no more layers because the input is longer."""
    often = Counter(
        stack.record(n).name for stack in trace.stacks.values() for n in range(stack.layers)
    )
    for name, count in Counter(small.parts).items():
        if often[name] > count and found.verdict.startswith("exact"):
            found.verdict = "wrong"
            found.why = f"{name} is shown {often[name]} times, and {count} where it is small"


def _layers(small: Finding) -> int:
    """Count the layers that show at the small geometry."""
    return sum(
        int(stack.split(" x ")[0].split()[-1]) for stack in small.stacks.split(", ") if stack
    )


def _own_weights(
    found: Measured, eager: Any, inputs: dict[str, Any], expected: Any
) -> list[tuple[str, Any]]:
    """Return what eager attention says of itself, where it computes what the model does as loaded."""
    if eager is None:
        return []
    eager = copy.deepcopy(eager)
    asked = with_attentions(eager, inputs)
    for given in (asked, inputs):
        try:
            torch.manual_seed(0)
            with torch.inference_mode(), returned_weights(eager) as returned:
                output = first_output(eager(**copy.deepcopy(given)))
            found.eager_s = _seconds(eager, given)
            break
        except Exception:
            continue
    else:
        return []
    found.eager_differs = share_apart(output, expected)
    return returned.proven if found.eager_differs <= EXACT else []


def _seconds(eager: Any, given: dict[str, Any]) -> float:
    """Time one pass of the processor, over as many as its clock can tell apart."""
    start, passes = time.process_time(), 0
    while passes < MOST_PASSES and time.process_time() - start < LEAST_SECONDS:
        with torch.inference_mode():
            eager(**copy.deepcopy(given))
        passes += 1
    return (time.process_time() - start) / passes


def share_apart(output: Any, expected: Any) -> float:
    """How far an output is from another, as a share of the largest number; rows of NaN left out."""
    if output.shape != expected.shape:
        return float("inf")
    known = torch.isfinite(expected)
    if not expected.is_floating_point() or not known.any():
        return 0.0
    scale = max(1.0, float(expected[known].abs().max()))
    return float((output - expected)[known].abs().nan_to_num(torch.inf).max()) / scale


def _judge(
    found: Measured,
    trace: Any,
    own: list[tuple[str, Any]],
    expected: Any,
    eager: Any,
    inputs: dict[str, Any],
) -> None:
    layers = [(stack, n) for stack in trace.stacks.values() for n in range(stack.layers)]
    found.layers = len(layers)
    found.tiers = ", ".join(sorted({stack.provenance(n).tier for stack, n in layers}))
    found.stacks = ", ".join(
        f"{name} {stack.layers} x {stack.heads(0)}" for name, stack in trace.stacks.items()
    )
    found.unshown = ", ".join(trace.unshown)
    found.output_error = share_apart(trace.output, expected)
    by_name: dict[str, list[Any]] = {}
    for name, weights in own:
        by_name.setdefault(name, []).append(weights)
    names = [stack.record(n).name for stack, n in layers]
    for name, queue in by_name.items():
        if names.count(name) == 1 < len(queue):
            by_name[name] = [in_chunks(queue)]
    shown = set(names)
    hidden = [n for n in by_name if not is_related(n, shown) and not is_related(n, trace.unshown)]
    found.hidden = ", ".join(hidden)
    exact = Exact(eager, inputs)
    for stack, n in layers:
        queue = by_name.get(stack.record(n).name)
        if not queue:
            continue
        theirs, mine = queue.pop(0), as_called(stack.record(n))
        if found.model_type in KEPT_ITEM and len(theirs) > 1:
            item = KEPT_ITEM[found.model_type]
            theirs = theirs[item : item + 1]
        shape = tuple(theirs.shape)
        mine = own_streams(mine, theirs)
        mine = rows_like(mine, theirs)
        theirs = flat(theirs.float(), mine.shape)
        if theirs is None:
            found.verdict = "wrong"
            found.why = f"{tuple(mine.shape)} in {stack.record(n).name}, its own is {shape}"
            return
        apart = distance(mine, theirs)
        if apart > EXACT and exact.is_as_near(stack.record(n).name, mine, theirs):
            apart = EXACT
        if apart > max(found.error, EXACT):
            found.why = f"weights of {stack.record(n).name}"
        found.error = max(found.error, apart)
        found.compared += 1
    # Where roundings of scores show in the output, they show in weights more.
    rounding = max(EXACT, 10 * found.eager_differs, 10 * found.output_error)
    allowed = OTHER_KERNEL if found.own == "eager" else EXACT
    good = found.error <= rounding and found.output_error <= allowed
    if found.output_error > allowed:
        found.why = f"the output is {found.output_error:.0%} off. {found.why}".strip()
    if hidden:
        found.why = f"neither shown nor unshown: {found.hidden}"[:300]
    agreed = "exact" if found.compared == len(layers) else "exact by its output"
    found.verdict = agreed if good and not hidden else "wrong"


def in_chunks(pieces: list[Any]) -> Any:
    """Lay what a part returned chunk by chunk (Canine's local attention) out as one pattern."""
    each = [
        torch.block_diag(*(piece[0, head] for piece in pieces))
        for head in range(pieces[0].shape[1])
    ]
    return torch.stack(each)[None]


def _shapes(inputs: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {'x'.join(map(str, value.shape))}"
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and "mask" not in name
    )


def said(error: BaseException) -> str:
    """Write an error out in a line."""
    return f"{type(error).__name__}: {error}"[:300]


def as_measured_row(found: Measured) -> dict[str, Any]:
    """Return plain values for a file."""
    return {**asdict(found), "ratio": round(found.ratio, 2)}
