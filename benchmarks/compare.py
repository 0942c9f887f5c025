"""What a comparison costs beside the forward pass that it needs, on a text of some 512 tokens.

`python -m benchmarks.compare [model]`: the demo model, two texts that differ in a word; medians of several rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import viz
from viz.compare import changed

ROUNDS = 5
SENTENCE = "The animal didn't cross the street because it was too tired."
TOKENS = 512


def main() -> None:
    """Print seconds, and their ratio to one capture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="demo")
    asked = parser.parse_args()
    model = viz.load_model(asked.model)
    text = _text(model)
    first = viz.capture(model, text)
    second = viz.capture(model, text.replace("tired", "wide", 1))
    one = _seconds(lambda: viz.capture(model, text))
    layer, head = first.stacks["self"].layers // 2, 1
    comparison = viz.compare(first, second, layer=layer, head=head)
    found = changed(first, second)
    print(f"{asked.model}, {len(first.units)} tokens: one capture {one:.3f} s")
    for name, work in (
        ("viz.compare, one head", lambda: viz.compare(first, second, layer=layer, head=head)),
        ("its difference", comparison.difference),
        (
            f"changed, {len(found.heads)} heads at {found.measured} of {found.of} rows",
            lambda: changed(first, second),
        ),
    ):
        taken = _seconds(work)
        print(f"{name}: {taken:.3f} s, {taken / one:.2f} x a capture")


def _text(model: viz.Model) -> str:
    """Repeat a sentence until it has as many tokens as are wanted, or as the model reads."""
    limit = min(TOKENS, model.context_limit or TOKENS)
    one, two = (len(model.tokenizer(" ".join([SENTENCE] * n))["input_ids"]) for n in (1, 2))
    return " ".join([SENTENCE] * (1 + (limit - one) // (two - one)))


def _seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return median(taken)


if __name__ == "__main__":
    main()
