"""Write the pages of `docs/` that are made from a registry: `python scripts/doc_tables.py`.

`docs/statistics.md` comes from `viz.patterns.STATISTICS`; `tests/test_docs.py` fails where it is out of step.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from viz.patterns import STATISTICS, Statistic  # noqa: E402

PAGE = ROOT / "docs" / "statistics.md"

# What the placeholders of a statistic's words stand for where a text is read.
WORDS = {
    "unit": "token",
    "units": "tokens",
    "first": "first token",
    "the_first": "the first token",
}

INTRODUCTION = """\
# Statistics of heads

*Written by `python scripts/doc_tables.py` from `viz.patterns.STATISTICS`; change the registry, not this page.*

A statistic is one number a head: the mean, over all query rows of the head, of the quantity below. All of them are
exact, at every length, and come from the stored weights; the display choices of the page never change them. The
page shows them in *About this head*, in the *Layer x head* heatmap and table, and in *Sort and filter* above the
grid of all heads. From Python, `viz.patterns.statistics(stack)` computes them:
`.of(field)` is an array [layer, head], `.as_frame()` a table with a row a head.

| name in links | on the page | Python field | column of tables | unit | meaning |
|---|---|---|---|---|---|
"""

NOTES = """
*token* stands for whatever an axis counts: patches of a picture, frames of a sound, time steps.

**Needs aligned axes**: {aligned}. They compare the position of a query with the position of a key, and mean
something only where queries stand among the keys (`stack.aligned`). Across two texts, as in cross-attention, the page
leaves them out.

How to read the numbers, and what they do not mean: [reading-the-numbers.md](reading-the-numbers.md#statistics-of-a-head).
How to add one: [CONTRIBUTING.md](../CONTRIBUTING.md#add-a-statistic).
"""


def main() -> None:
    """Write every page."""
    PAGE.write_text(statistics_page())


def statistics_page() -> str:
    """Make the text of `docs/statistics.md`."""
    lines = "".join(_line(one) for one in STATISTICS.values())
    aligned = ", ".join(f"`{one.name}`" for one in STATISTICS.values() if one.needs_alignment)
    return INTRODUCTION + lines + NOTES.format(aligned=aligned)


def _line(one: Statistic) -> str:
    """Lay one statistic out as a row, its name leading to its file."""
    module = inspect.getmodule(one.sum_of)
    file = Path(str(getattr(module, "__file__", PAGE))).relative_to(ROOT).as_posix()
    cells = [
        f"[`{one.name}`](../{file})",
        one.title.format(**WORDS),
        f"`{one.field}`",
        one.column,
        one.unit.format(**WORDS) or "weight, 0 to 1",
        one.meaning.format(**WORDS),
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    main()
