"""Print the table of scores for docs/survey.md, made from the catalogue."""

from __future__ import annotations

from viz.survey.score_catalogue import SCORES

GROUNDS = {
    "texts": "your texts",
    "repeated sequences": "random tokens that come twice",
    "needles": "needles hidden in your texts",
    "parameters": "parameters",
    "loss": "the loss on your texts",
}


def score_table() -> str:
    """Return a Markdown table with a row for each score."""
    lines = ["| score | what it says | measured on | unit |", "|---|---|---|---|"]
    for score in SCORES.values():
        said = score.meaning.rstrip(".") + (f" ({score.source})" if score.source else "")
        unit = score.unit or "share of weight"
        lines.append(f"| `{score.name}` | {said} | {GROUNDS[score.ground]} | {unit} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(score_table())
