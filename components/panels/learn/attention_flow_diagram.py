"""The flow of self-attention as a diagram, with the open step marked."""

from __future__ import annotations

from components.panels.learn.step_texts import STEPS

# What leads where; the names are those of the steps.
EDGES = (
    ("tokens", "query"),
    ("tokens", "key"),
    ("tokens", "value"),
    ("query", "scores"),
    ("key", "scores"),
    ("scores", "scale"),
    ("scale", "mask"),
    ("mask", "softmax"),
    ("softmax", "sum"),
    ("value", "sum"),
    ("sum", "join"),
    ("join", "output"),
)
LETTERS = {"query": "Q", "key": "K", "value": "V"}

# Fill and text of the open step, of those that are broken, by whether the page is dark.
OPEN = {False: ("#0b63a5", "#ffffff"), True: ("#6cb4ee", "#10151c")}
BROKEN = {False: ("#d55e00", "#1b2430"), True: ("#e69f00", "#e6ebf0")}


def flow(current: str, broken: frozenset[str], *, dark: bool) -> str:
    """Write the diagram in Mermaid's words.

    Args:
        current: the step that is open.
        broken: steps that are broken on purpose.
        dark: whether the page is dark.
    """
    lines = ["flowchart TD"]
    for name, step in STEPS.items():
        if name != "projections":
            lines.append(f'  {name}["{step.node}"]')
    lines += [f'  {name}(("{letter}"))' for name, letter in LETTERS.items()]
    lines += [f"  {start} --> {end}" for start, end in EDGES]
    fill, ink = OPEN[dark]
    border, _ = BROKEN[dark]
    lines.append(f"  classDef open fill:{fill},color:{ink},stroke:{fill}")
    lines.append(f"  classDef broken stroke:{border},stroke-width:3px,stroke-dasharray:5 3")
    # Broken first, so that what is open and broken keeps the border.
    lines += [f"  class {','.join(_nodes(name))} broken" for name in sorted(broken)]
    lines.append(f"  class {','.join(_nodes(current))} open")
    return "\n".join(lines)


def _nodes(step: str) -> tuple[str, ...]:
    return tuple(LETTERS) if step == "projections" else (step,)
