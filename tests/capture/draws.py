"""Draws of modules that attend, with their inputs and the account of who looks where."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st

from tests.capture.accounts import Case, case_of
from tests.capture.random_modules import PROJECTIONS, Spec

HEADS = ("num_heads", "heads", "n_heads", "")


@st.composite
def cases(draw) -> Case:
    """Draw a module of one or two parts, and inputs."""
    heads, width = draw(st.integers(1, 4)), draw(st.sampled_from([4, 8]))
    batch = draw(st.integers(1, 3))
    over_items = batch > 1 and draw(st.integers(0, 5)) == 0
    window = draw(st.sampled_from([0, 0, 2, 3, 4]))
    tokens = window * draw(st.integers(2, 4)) if window else draw(st.integers(2, 14))
    some = partial(_spec, heads=heads, width=width, window=window)
    specs = [draw(some()) for _ in range(draw(st.integers(1, 2)))]
    if over_items:
        one = draw(_spec(heads, width, 0))
        specs = [specs[0], _plain_copy(one, along="items")]
    return case_of(
        specs,
        tokens=tokens,
        batch=batch,
        item=draw(st.integers(0, batch - 1)),
        seed=draw(st.integers(0, 1000)),
        keys=draw(st.integers(2, 9)),
        tokens_first=draw(st.integers(0, 4)) == 0,
    )


def _plain_copy(spec: Spec, *, along: str) -> Spec:
    """Keep of a spec what makes sense along something else than tokens."""
    by = "softmax" if spec.by == "mha" else spec.by
    return Spec(by, spec.heads, spec.kv_heads, spec.width, along, says=spec.says, named=spec.named)


@st.composite
def _spec(draw, heads: int, width: int, window: int) -> Spec:
    by = draw(st.sampled_from(["sdpa", "sdpa", "mha", "softmax", "exp", "einsum", "folded"]))
    if by == "mha":
        kind = draw(st.sampled_from(["none", "causal", "bool", "additive", "padding", "sliding"]))
        cross = kind == "none" and draw(st.booleans())
        null = draw(st.sampled_from(["", "", "back", "zero"])) if kind == "none" else ""
        turned = draw(st.integers(0, 3)) == 0
        return Spec(by, heads, heads, width, mask=kind, cross=cross, null=null, turned=turned)
    kv_heads = draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0]))
    says, named = draw(st.sampled_from(HEADS)), draw(st.sampled_from(sorted(PROJECTIONS)))
    base = Spec(by, heads, kv_heads, width, says=says, named=named)
    if draw(st.integers(0, 9)) == 0 and heads == kv_heads:
        return _plain_copy(base, along="channels")
    by_hand = by in ("softmax", "exp", "einsum")
    gate = draw(st.integers(0, 4)) == 0
    talks = draw(st.sampled_from(["never"] * 4 + ["before", "after"])) if by_hand else "never"
    if window and draw(st.booleans()):
        five = by == "sdpa" and kv_heads == heads
        return Spec(
            *(by, heads, kv_heads, width),
            window=window,
            strided=draw(st.booleans()),
            layout=draw(st.sampled_from(["batch", "head window", "window head"]))
            if five
            else "batch",
            mask=draw(st.sampled_from(["none", "none", "causal", "bool", "additive"])),
            gate=gate,
            talks=talks,
            says=says,
            named=named,
        )
    null = draw(st.sampled_from(["", "", "", "front", "back", "sink" if by_hand else ""]))
    by = "softmax" if null == "sink" else by
    flat = by in ("sdpa", "softmax") and null != "sink" and talks == "never"
    cross = not null and draw(st.integers(0, 4)) == 0
    masks = ["none", "causal", "flag", "bool", "additive", "padding", "sliding"]
    return Spec(
        *(by, heads, kv_heads, width),
        layout=draw(st.sampled_from(["batch", "batch", "flat"])) if flat else "batch",
        mask="none" if null or cross else draw(st.sampled_from(masks)),
        null=null,
        talks=talks,
        gate=gate,
        cross=cross,
        says=says,
        named=named,
    )
