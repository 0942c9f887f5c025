"""The table of what became of every type at its default geometry, at several lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.architectures.tables import SECOND, cell
from benchmarks.architectures.work import PATIENCE, Row

VERDICTS = {
    "wrong": "captured, and different: a defect",
    "crashed": "a defect",
    "in part": "captured and exact, but some attention that shows at the small geometry is named in "
    "`unshown`",
    "refused": "it has attention, and the reason is given why it is not shown",
    "exact": "captured, the output that of the model as loaded, and every weight that of its own eager "
    "attention",
    "exact by its output": "captured, the output that of the model as loaded, and weights @ v equal to "
    "each layer's output; the model returns no weights of its own to compare with, or computes "
    "something else with eager attention",
    "no attention": "there is no softmax attention in it",
    "timeout": f"a length took more than {PATIENCE} s",
    "not run": "built, but this script does not know what its forward takes at this geometry",
    "not built": "this script does not know how to make it affordable at this geometry",
}

# From here on a first capture counts as slow: so many eager passes, and so many seconds above them.
SLOW_RATIO, SLOW_SECONDS = 6, 0.25


def by_type(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Gather the rows of each type; of a length that was measured twice, the last one."""
    last = {(str(row["model_type"]), row["tokens"]): row for row in rows}
    types: dict[str, list[Row]] = {}
    for (name, _), row in sorted(last.items(), key=lambda pair: pair[0][0]):
        types.setdefault(name, []).append(row)
    return types


def verdict_of(rows: Sequence[Row]) -> str:
    """Return the worst that became of a type."""
    return min((str(row["verdict"]) for row in rows), key=list(VERDICTS).index)


def second_summary(rows: Iterable[Row]) -> str:
    """Say the counts in a few lines."""
    types = by_type(rows)
    verdicts = Counter(map(verdict_of, types.values()))
    lengths = Counter(str(row["verdict"]) for found in types.values() for row in found)
    exact = verdicts["exact"] + verdicts["exact by its output"]
    ratios = sorted(ratio for found in types.values() for ratio in map(_ratio, found) if ratio)
    middle = ratios[len(ratios) // 2] if ratios else 0.0
    slow = [name for name, found in types.items() if any(map(_is_slow, found))]
    return (
        f"{len(types)} model types, {sum(lengths.values())} captures: {exact} types are exact at every "
        f"length, {verdicts['wrong']} wrong, {verdicts['crashed']} crashed, {verdicts['in part']} shown in "
        f"part, {verdicts['refused']} refused, {verdicts['timeout']} too slow; "
        f"{verdicts['no attention']} have no attention, {verdicts['not run']} could not be given inputs and "
        f"{verdicts['not built']} not built. The first capture takes {middle:.1f} eager passes in the "
        f"median; more than {SLOW_RATIO} and {SLOW_SECONDS} s above it in {len(slow)} types"
        f"{': ' if slow else ''}{', '.join(slow)}."
    )


def second_page(rows: Sequence[Row]) -> str:
    """Write the table: the counts, then the types by what became of them."""
    import transformers

    types = by_type(rows)
    lines = [
        SECOND,
        "",
        "Written by `python -m benchmarks.architectures --geometry default` with transformers "
        f"{transformers.__version__}: windows, blocks, chunks, latents, rates of compression and pictures "
        "keep their default sizes, and only depth, width, vocabulary and experts are small. Each type reads "
        "12, 130, 300 and 700 tokens, or as many as it can, or the pictures and sounds that stand for as "
        "many; its output is compared with that of the model as loaded, nothing switched, and its weights "
        "with the model's own eager ones where eager attention computes the same output.",
        "",
        second_summary(rows),
        "",
    ]
    for verdict, words in VERDICTS.items():
        names = [name for name, found in types.items() if verdict_of(found) == verdict]
        if names:
            lines += [
                f"### {verdict.capitalize()} ({len(names)})",
                "",
                f"{words.capitalize()}.",
                "",
            ]
            lines += _table(verdict, {name: types[name] for name in names})
            lines.append("")
    return "\n".join(lines)


def _table(verdict: str, types: dict[str, list[Row]]) -> list[str]:
    if verdict == "no attention":
        return [", ".join(f"`{name}`" for name in types)]
    if verdict in ("not built", "not run"):
        return [
            "| model type | why |",
            "|---|---|",
            *(f"| {name} | {cell(str(found[0]['why']))} |" for name, found in types.items()),
        ]
    head = "| model type | as loaded | by | stacks, layers x heads, at most | tokens | output | weights | capture : eager |"
    if not verdict.startswith("exact"):
        return [
            f"{head} why |",
            "|---|---|---|---|---|---|---|---|---|",
            *(f"{_row(name, found)} {_why(found, verdict)} |" for name, found in types.items()),
        ]
    return [
        head,
        "|---|---|---|---|---|---|---|---|",
        *(_row(name, found) for name, found in types.items()),
    ]


def _row(name: str, found: Sequence[Row]) -> str:
    """Write one type: the longest of its stacks, and the largest differences and ratio."""
    most = max(found, key=lambda row: len(str(row.get("stacks", ""))))
    tokens = ", ".join(str(row["tokens"]) for row in found)
    tiers = ", ".join(
        sorted({tier for row in found for tier in str(row["tiers"]).split(", ") if tier})
    )
    output, error = (max(_number(row, key) for row in found) for key in ("output_error", "error"))
    return (
        f"| {name} | {most.get('own', '')} | {tiers} | {most['stacks']} | {tokens} | {output:.0e} | "
        f"{error:.0e} | {max(map(_ratio, found)):.1f} |"
    )


def _why(found: Sequence[Row], verdict: str) -> str:
    return cell(next(str(row["why"]) for row in found if row["verdict"] == verdict))


def in_a_line(row: Row) -> str:
    """Say what became of one length of one type."""
    return (
        f"{row['model_type']} {row['tokens']}: {row['verdict']}; output {_number(row, 'output_error'):.0e}, "
        f"weights {_number(row, 'error'):.0e}, {_ratio(row):.1f} eager passes; {row['stacks']}. {row['why']}"
    )


def _number(row: Row, name: str) -> float:
    value = row.get(name, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _ratio(row: Row) -> float:
    eager = _number(row, "eager_s")
    return _number(row, "capture_s") / eager if eager else 0.0


def _is_slow(row: Row) -> bool:
    above = _number(row, "capture_s") - SLOW_RATIO * _number(row, "eager_s")
    return _ratio(row) > SLOW_RATIO and above > SLOW_SECONDS
