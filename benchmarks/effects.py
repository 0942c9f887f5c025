"""The worked example of docs/effects.md: every head of SmolLM2 knocked out, beside its first-order estimate.

`python -m benchmarks.effects` (about a minute on two cores). Prints the heads that change the prediction most, the rank
correlation of estimate and knock-out over all heads, and how long the knock-outs take in passes with gradients.
"""

from __future__ import annotations

import json
import time

import pandas as pd

import viz
from viz.effects import Target, knock_out, weight_gradients

TEXT = "When Mary and John went to the store, John gave a drink to"
TARGET = Target(token=" Mary", against=" John")
SHOWN = 8


def main() -> None:
    """Print a table, and the figures as JSON."""
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    viz.capture(model, TEXT)
    begun = time.perf_counter()
    gradients = weight_gradients(model, TEXT, TARGET)
    estimated = time.perf_counter()
    table = knock_out(model, TEXT, TARGET).table
    done = time.perf_counter()
    estimates = gradients.first_order()
    heads = zip(table["layer"], table["head"], strict=True)
    table["estimate"] = [float(estimates[layer, head]) for layer, head in heads]
    print(table.head(SHOWN).round(2).to_string(index=False))
    ranks: pd.DataFrame = table[["change", "estimate"]].corr(method="spearman")
    print(
        json.dumps(
            {
                "value": round(gradients.value, 2),
                "heads": len(table),
                "rank_correlation": round(float(ranks.loc["change", "estimate"]), 2),
                "knock_outs_by_gradients_seconds": round(
                    (done - estimated) / (estimated - begun), 1
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
