"""A relation is said of a head where it is clear beside chance, beside distance, and in both halves."""

from __future__ import annotations

import pandas as pd
import pytest

from viz.survey.grammar.top_relations import TopRelation, followed_relations, leading_heads
from viz.survey.head_sentence import head_sentence

SCORES = pd.DataFrame(
    [["previous", 0.3, 0.02, 0.3, 0.3]],
    columns=["score", "value", "chance", "first_half", "second_half"],
)
SAID = (
    "attends to the previous token with 30 % of its weight; 2 % by chance; stable over both halves"
)


@pytest.mark.parametrize(
    ("numbers", "clause"),
    [
        ((0.6, 0.01, 0.2, 0.61, 0.59), "60 % of the weight; 1 % by chance, 20 % by distance"),
        ((0.6, 0.01, 0.55, 0.61, 0.59), None),
        ((0.6, 0.4, 0.2, 0.61, 0.59), None),
        ((0.6, 0.01, 0.2, 0.8, 0.4), None),
        ((0.6, 0.01, 0.2, 0.6, float("nan")), None),
        ((0.12, 0.01, 0.01, 0.12, 0.12), None),
    ],
)
def test_a_clear_relation_has_a_clause_of_its_own(numbers, clause):
    said = head_sentence(SCORES, TopRelation("nsubj", "head", *numbers))
    assert said.score == "previous"
    expected = SAID if clause is None else f"{SAID}; from a word to its nsubj goes {clause}"
    assert said.words == expected


def relations(*rows):
    columns = ["head", "relation", "looks_from", "weight", "chance", "by_distance", "counted"]
    frame = pd.DataFrame(rows, columns=columns).assign(stack="self", layer=0)
    looks_at = frame["looks_from"].map({"head": "dependant", "dependant": "head"})
    return frame.assign(looks_at=looks_at, first_half=frame["weight"], second_half=frame["weight"])


def test_most_is_measured_over_the_larger_of_chance_and_distance():
    table = relations(
        (0, "det", "dependant", 0.9, 0.01, 0.85, 500),
        (0, "obj", "head", 0.5, 0.01, 0.1, 60),
        (0, "expl", "head", 0.99, 0.01, 0.1, 3),
        (1, "obj", "head", 0.3, 0.25, 0.1, 60),
        (1, "det", "dependant", 0.4, 0.01, 0.2, 500),
    )
    found = followed_relations(table)
    assert found["self", 0, 0].words == "from a word to its obj"
    assert found["self", 0, 1].words == "from det to the word that it depends on"
    assert found["self", 0, 1].baseline == 0.2
    lead = leading_heads(table)
    assert list(zip(lead["relation"], lead["head"], strict=True)) == [("obj", 0), ("det", 1)]
    assert followed_relations(table[table["counted"] < 50]) == {}
