"""What a survey adds up of one head over one text, written out key by key in float64."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np


def head_scores(weights, allowed, queries, keys, *, start, marks, separators):
    """Sum every score over the rows that count.

    Args:
        weights: of one head, float64 [query, key].
        allowed: which keys each query may look at, bool [query, key].
        queries: units of the rows.
        keys: units of the columns.
        start: where the first query stands among the keys; None where queries are no keys.
        marks: which keys are punctuation.
        separators: which keys separate.

    Returns:
        By score: the value of each row that counts.
    """
    found = defaultdict(list)
    for row, (own, may) in enumerate(zip(weights, allowed, strict=True)):
        if not may.any():
            continue
        found["entropy"].append(-sum(w * math.log(w) for w in own if w > 0))
        to_sinks = sum(w for k, w in enumerate(own) if k == 0 or keys.special[k])
        found["sink"].append(to_sinks + max(0.0, 1 - own.sum()))
        found["first"].append(own[0])
        found["punctuation"].append(own[marks].sum())
        found["separator"].append(own[separators].sum())
        if start is None:
            continue
        at = start + row
        found["distance"].append(sum(abs(at - k) * w for k, w in enumerate(own)))
        for name, key in (("previous", at - 1), ("current", at), ("next", at + 1)):
            if 0 <= key < len(keys) and may[key]:
                found[name].append(own[key])
        if queries.special[row]:
            continue
        same = [
            k
            for k in range(len(keys))
            if k != at and keys.ids[k] == queries.ids[row] and not keys.special[k]
        ]
        after = [
            k
            for k in range(1, at)
            if keys.ids[k - 1] == queries.ids[row] and not keys.special[k - 1]
        ]
        for name, wanted in (("same_token", same), ("induction", after)):
            if any(may[k] for k in wanted):
                found[name].append(sum(own[k] for k in wanted))
    return {name: np.array(values) for name, values in found.items()}


def by_class(weights, from_classes, to_classes, kinds):
    """Sum the weights from queries of one class to keys of another, [from, to]."""
    found = np.zeros((kinds, kinds))
    for row, own in enumerate(weights):
        for key, weight in enumerate(own):
            found[from_classes[row], to_classes[key]] += weight
    return found
