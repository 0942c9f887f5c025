"""What a head puts along dependency relations in one text, written out word by word in float64."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


def along_relations(weights, allowed, query_words, key_words, arcs):
    """Measure every pair of related words in either direction.

    Args:
        weights: of one head, float64 [query, key].
        allowed: which keys each query may look at, bool [query, key].
        query_words: the word of each query, -1 for none.
        key_words: the word of each key.
        arcs: dependant, head and relation of each word that depends on another.

    Returns:
        By relation and direction (0 from the dependant to its head): a weight for each two words that count.
    """
    found = defaultdict(list)
    for dependant, head, relation in arcs:
        for direction, (first, second) in enumerate(((dependant, head), (head, dependant))):
            keys = [k for k, word in enumerate(key_words) if word == second]
            queries = [
                q
                for q, word in enumerate(query_words)
                if word == first and any(allowed[q, k] for k in keys)
            ]
            if queries:
                sums = [sum(weights[q, k] for k in keys) for q in queries]
                found[relation, direction].append(sum(sums) / len(queries))
    return {kind: np.array(values) for kind, values in found.items()}


def usual_weights(weights, allowed, start, near):
    """Return what each head puts so far away on average, by offset from -near-1 to near+1, the ends standing for all beyond."""
    total, count = defaultdict(float), defaultdict(int)
    for q, k in np.argwhere(allowed):
        offset = max(-near - 1, min(near + 1, int(k) - int(q) - start))
        total[offset] += weights[q, k]
        count[offset] += 1
    return {offset: total[offset] / count[offset] for offset in total}
