"""Whatever a module does, its capture is exact or refused, and never wrong."""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings

import viz
from tests.capture.accounts import Case, Expected, case_of
from tests.capture.draws import cases
from tests.capture.random_modules import Part, Spec, Whole

# `LOUPE_EXAMPLES=500 pytest tests/capture/test_random_modules.py` looks further than CI does.
EXAMPLES = int(os.environ.get("LOUPE_EXAMPLES", "60"))

# The module computes in float32 and the account in float64, so that a later part is given what the roundings
# of those before it made.
EXACT, LATER = 1e-5, 1e-4

# What units are called that stand for the inputs' own, in their order.
OWN = ("position", "token", "patch", "frame")


def faults(case: Case) -> list[str]:
    """Say what is wrong with a capture; nothing where it is exact, refused, or says what it leaves out."""
    try:
        model = viz.wrap_model(case.module)
        trace = viz.capture(model, case.inputs, item=case.item)
    except viz.LoupeError as error:
        return [] if error.message and error.hint else ["refused without a word"]
    found: list[str] = []
    ours = case.output[case.item].float()
    size = max(1.0, float(ours.abs().max()))
    if trace.output.shape != ours.shape or float((trace.output - ours).abs().max()) > LATER * size:
        found.append(f"the output is not that of item {case.item}")
    shown: set[str] = set()
    for stack in trace.stacks.values():
        for layer in range(stack.layers):
            name = stack.record(layer).name
            expected = next((e for e in case.expected if related(e.name, name)), None)
            if expected is None or expected.name in shown:
                found.append(f"{name} is shown and is none of the parts, or twice")
                continue
            shown.add(expected.name)
            found += [f"{name}: {fault}" for fault in wrong(stack, layer, expected)]
    for one in case.expected:
        is_said = any(related(one.name, name) for name in trace.unshown)
        if one.name not in shown and not is_said:
            found.append(f"{one.name} is neither shown nor in unshown")
        if one.name in shown and is_said:
            found.append(f"{one.name} is shown and in unshown")
    return found


def wrong(stack, layer: int, expected: Expected) -> list[str]:
    """Compare one layer with the account."""
    spec = expected.spec
    weights = torch.stack([stack.weights(layer, h) for h in range(stack.heads(layer))]).double()
    attended = torch.stack([stack.attended(layer, h) for h in range(stack.heads(layer))])
    own = stack.queries.kind in OWN and stack.keys.kind in OWN
    if spec.along == "items":
        match = [w for w in expected.weights if close(weights, w, expected.name)]
        return [] if match and not own else [f"items are shown as {stack.summary()}"]
    if spec.along == "channels":
        if not close(weights, expected.weights, expected.name):
            return [f"channels are shown as {stack.summary()}"]
        return ["channels are labelled as tokens"] if own else []
    if not own and close(weights, expected.in_windows(expected.weights), expected.name):
        return []  # window by window, and said to be so
    if not close(weights, expected.weights, expected.name):
        if weights.shape != expected.weights.shape:
            return [f"{tuple(weights.shape)} in place of {tuple(expected.weights.shape)}"]
        return [f"off by {float((weights - expected.weights).abs().max()):.2g}"]
    found = []
    # Of weights that were only reported, a weight of exactly 0 counts as not attended.
    seen = expected.seen[None].expand_as(attended)
    if bool((attended & ~seen).any()) or bool((seen & ~attended & (weights.abs() > EXACT)).any()):
        found.append("not attended is not as it is")
    queries, keys = stack.queries.labels, stack.keys.labels
    if len(set(queries)) < len(queries) or len(set(keys)) < len(keys):
        found.append("two units have one label")
    if not spec.cross:
        first = 1 if spec.null == "front" else 0
        tokens = keys[first : first + len(queries)]
        if stack.queries.kind == stack.keys.kind and tokens != queries:
            found.append(f"key {first} is the first query and is called {tokens[0]!r}")
    return found


def close(weights: torch.Tensor, expected: torch.Tensor, name: str = "blocks.0") -> bool:
    """Whether weights are the account's."""
    allowed = EXACT if name == "blocks.0" else LATER
    return weights.shape == expected.shape and float((weights - expected).abs().max()) <= allowed


def related(name: str, other: str) -> bool:
    """Whether one part is the other, or within it."""
    return f"{name}.".startswith(f"{other}.") or f"{other}.".startswith(f"{name}.")


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(cases())
def test_a_capture_is_exact_or_refused_and_never_wrong(case):
    assert faults(case) == []


ACCOUNTED = {
    "kernel": Spec("sdpa", 4, 2, 8, mask="sliding"),
    "five dimensions, windows behind heads": Spec(
        "sdpa", 2, 2, 8, window=4, layout="head window", mask="bool"
    ),
    "five dimensions, heads behind windows": Spec(
        "sdpa", 2, 2, 8, window=4, layout="window head", strided=True, mask="additive"
    ),
    "windows in the batch": Spec("softmax", 2, 1, 8, window=3, strided=True, mask="causal"),
    "grouped by the kernel": Spec("sdpa", 4, 2, 4, says="num_heads"),
    "three dimensions": Spec("sdpa", 3, 3, 4, layout="flat", mask="padding"),
    "three dimensions by hand": Spec("softmax", 1, 1, 8, layout="flat", mask="causal"),
    "PyTorch's own": Spec("mha", 4, 4, 4, mask="padding"),
    "PyTorch's own with zeros": Spec("mha", 2, 2, 4, null="zero", turned=True),
    "PyTorch's own with a key of its own": Spec("mha", 2, 2, 4, null="back"),
    "a sink": Spec("softmax", 3, 3, 4, null="sink"),
    "folded": Spec("folded", 3, 3, 4, mask="additive", says="num_heads"),
    "exp and sum": Spec("exp", 2, 2, 4, mask="causal", says="heads"),
    "einsum": Spec("einsum", 2, 2, 4, talks="before", mask="bool"),
    "talking heads": Spec("softmax", 3, 3, 4, talks="after"),
    "a key before the first": Spec("softmax", 2, 1, 4, null="front"),
    "cross": Spec("einsum", 2, 2, 4, cross=True, says="n_heads"),
    "a gate": Spec("sdpa", 2, 2, 4, gate=True),
    "channels": Spec("softmax", 2, 2, 8, along="channels"),
    "items": Spec("softmax", 2, 1, 8, along="items"),
}


@pytest.mark.parametrize("spec", ACCOUNTED.values(), ids=ACCOUNTED)
def test_the_account_is_what_the_module_computes(spec):
    case = case_of([spec], tokens=12, batch=3, item=1)
    with torch.no_grad():
        output = case.module(**case.inputs)
    torch.testing.assert_close(output, case.output.float(), atol=1e-5, rtol=1e-5)


# What is shown whoever wrote it, and may not be refused.
PLAIN = [
    *("kernel", "grouped by the kernel", "folded", "exp and sum", "cross", "a gate"),
    *("PyTorch's own", "PyTorch's own with zeros", "PyTorch's own with a key of its own"),
]


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_is_shown(name):
    case = case_of([ACCOUNTED[name]], tokens=12, batch=3, item=1)
    (stack,) = viz.capture(viz.wrap_model(case.module), case.inputs, item=1).stacks.values()
    assert wrong(stack, 0, case.expected[0]) == []


def test_weights_that_are_cut_and_then_mixed_are_named_beside_a_part_that_shows():
    seen = Spec(by="mha", heads=2, kv_heads=2, width=4)
    cut = Spec(by="softmax", heads=2, kv_heads=1, width=4, null="sink", talks="after", gate=True)
    parts = [Part(spec, 4, seed) for seed, spec in enumerate((seen, cut))]
    module = Whole(parts, tokens_first=False).eval()
    trace = viz.capture(viz.wrap_model(module), {"x": torch.randn(1, 4, 8)})
    assert [stack.record(0).name for stack in trace.stacks.values()] == ["blocks.0.inner"]
    assert trace.unshown == ("blocks.1",)
