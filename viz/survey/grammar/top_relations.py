"""Which relation each head follows most, and which head follows each relation most.

Most is what there is in either half of the texts, over the larger of what the head would put there by chance, and by the
distance alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

# Columns that name a head, and those that name a relation in one direction.
OF_HEAD = ["stack", "layer", "head"]
OF_RELATION = ["relation", "looks_from", "looks_at"]

# Fewer related words say little.
LEAST_COUNTED = 50


@dataclass(frozen=True, slots=True)
class TopRelation:
    """The relation that a head follows most.

    Attributes:
        relation: its name, such as nsubj.
        looks_from: "dependant" where a word looks at what it depends on, "head" where at what depends on it.
        weight: mean, from one word to the other.
        chance: what a head would put there that looks at all alike.
        by_distance: what this head puts between any tokens that are as far apart.
        first_half: the weight over one half of the texts; NaN where it was not met there.
        second_half: over the other.
    """

    relation: str
    looks_from: str
    weight: float
    chance: float
    by_distance: float
    first_half: float
    second_half: float

    @property
    def words(self) -> str:
        """Say from where to where, in a sentence."""
        if self.looks_from == "dependant":
            return f"from {self.relation} to the word that it depends on"
        return f"from a word to its {self.relation}"

    @property
    def baseline(self) -> float:
        """The larger of what chance and the distance alone give."""
        return max(self.chance, self.by_distance)


def relation_title(relation: str, looks_from: str) -> str:
    """Say from where to where a head looks along a relation, in a table."""
    if looks_from == "dependant":
        return f"{relation} → what it depends on"
    return f"a word → its {relation}"


def top_relations(relations: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each head: the relation that it follows most, of those met often enough."""
    return _most(relations, OF_HEAD)


def leading_heads(relations: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each relation in either direction: the head that follows it most; the clearest first."""
    return clearest_first(_most(relations, ["stack", *OF_RELATION]))


def followed_relations(relations: pd.DataFrame) -> dict[tuple[str, int, int], TopRelation]:
    """Return what `top_relations` does, by stack, layer and head."""
    names = ("weight", "chance", "by_distance", "first_half", "second_half")
    return {
        (str(one["stack"]), int(one["layer"]), int(one["head"])): TopRelation(
            str(one["relation"]), str(one["looks_from"]), *(float(one[name]) for name in names)
        )
        for one in top_relations(relations).to_dict("records")
    }


def _most(relations: pd.DataFrame, of: list[str]) -> pd.DataFrame:
    """Keep of each group the clearest row."""
    often = relations[relations["counted"] >= LEAST_COUNTED]
    ranked: pd.DataFrame = clearest_first(often).drop_duplicates(of)
    return ranked.sort_values(of, kind="stable", ignore_index=True)


def clearest_first(relations: pd.DataFrame) -> pd.DataFrame:
    """Order rows by how much more weight there is in both halves than chance and distance give."""
    least = relations[["first_half", "second_half"]].min(axis=1)
    over = least - relations[["chance", "by_distance"]].max(axis=1)
    return relations.loc[over.sort_values(ascending=False, kind="stable").index].reset_index(
        drop=True
    )
