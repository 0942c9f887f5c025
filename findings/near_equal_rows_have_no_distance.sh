#!/usr/bin/env bash
# Guess, from memory: the Jensen-Shannon distance of two rows that differ by rounding alone is about
# 0, as the cosine or the Euclidean distance of them is.
#
# Seen (scipy 1.17.1, numpy 2.4.6): it is NaN for about half of such rows, by `jensenshannon` in double precision, and
# for a sixth of them by `cdist`: the sum of logarithms comes out a little below 0, and its root is taken. The rows
# are softmaxes of the same numbers, once with the largest taken off first and once without. A row and itself have 0.
# `cdist` says nothing; the function gives numpy's warning of an invalid value, once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import scipy
from scipy.spatial.distance import cdist, jensenshannon

print("scipy", scipy.__version__, "numpy", np.__version__)
scores = np.random.default_rng(0).normal(size=(1000, 512)) * 2


def rows(numbers):
    weights = np.exp(numbers)
    return weights / weights.sum(axis=1, keepdims=True)


one, other = rows(scores), rows(scores - scores.max(axis=1, keepdims=True))
with warnings.catch_warnings(record=True) as said:
    by_pair = np.array([cdist(a[None], b[None], "jensenshannon").item() for a, b in zip(one, other)])
    assert not said, "cdist warns now"
    by_function = np.array([jensenshannon(a, b) for a, b in zip(one, other)])
own = np.array([jensenshannon(a, a) for a in one])
print(f"largest difference of two numbers in the rows: {np.abs(one - other).max():.0e}")
for name, found in (("jensenshannon", by_function), ("cdist", by_pair)):
    print(f"{name}: NaN for {np.isnan(found).mean():.0%} of the rows, at most {np.nanmax(found):.0e} for the others")
print(f"jensenshannon of a row and itself: {own.max():.0f}; warnings: {[str(each.message) for each in said]}")
assert np.abs(one - other).max() < 1e-14 and not own.any(), "the rows changed"
assert np.isnan(by_function).mean() > 0.1, "jensenshannon is a number now"
assert np.isnan(by_pair).mean() > 0.01, "cdist is a number now"
PYTHON
