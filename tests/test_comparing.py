"""What docs/comparing.md says is so."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

import viz
from components.compare_state import OPENING, from_query
from tests.models.folders import save_decoder
from viz.compare import changed
from viz.service import TextStore

PAGE = (Path(__file__).parent.parent / "docs" / "comparing.md").read_text()
ROW = re.compile(
    r"\| layer (\d+), head (\d+) \| ([\d.]+) \| ([\d.]+) → ([\d.]+) \| ([\d.]+) → ([\d.]+) \|"
)


@pytest.fixture(scope="module")
def traces():
    model = viz.load_model("demo")
    return [viz.capture(model, side.text) for side in (OPENING.first, OPENING.second)]


def test_the_table_holds_what_the_heads_do_in_the_row_of_it(traces):
    found = ROW.findall(PAGE)
    assert len(found) == 4
    columns = [traces[0].units.labels.index(word) for word in ("animal", "street")]
    it = traces[0].units.labels.index("it")
    for layer, head, *numbers in found:
        comparison = viz.compare(*traces, layer=int(layer), head=int(head))
        first, second = comparison.weights()
        expected = [comparison.numbers.loc[it, "jensen_shannon"]]
        expected += [side[it, column] for column in columns for side in (first, second)]
        assert [float(number) for number in numbers] == pytest.approx(expected, abs=6e-4)


def test_those_are_the_heads_whose_row_moved_most(traces):
    named = [(int(layer), int(head)) for layer, head, *_ in ROW.findall(PAGE)]
    moved = {
        (layer, head): viz.compare(*traces, layer=layer, head=head).numbers.loc[
            10, "jensen_shannon"
        ]
        for layer in range(6)
        for head in range(12)
    }
    assert sorted(moved, key=moved.__getitem__, reverse=True)[: len(named)] == named


def test_over_all_rows_it_is_the_second(traces):
    heads = changed(*traces).heads
    assert list(zip(heads["layer"], heads["head"], strict=True))[:2] == [(5, 8), (3, 1)]


def test_its_link_opens_that_comparison(tmp_path):
    link = re.search(r"<(http://[^>]+/compare\?[^>]+)>", PAGE)
    view, problems = from_query(dict(parse_qsl(urlsplit(link[1]).query)), TextStore(tmp_path))
    assert not problems
    assert (view.first, view.second, view.row) == (OPENING.first, OPENING.second, 10)


def test_the_link_to_many_edits_opens_them(tmp_path):
    link = re.search(r"<(http://[^>]+/compare\?[^>]+edits=[^>]+)>", PAGE)
    view, problems = from_query(dict(parse_qsl(urlsplit(link[1]).query)), TextStore(tmp_path))
    assert not problems
    assert (view.part, view.edits) == (
        "edits",
        "tired -> wide\nanimal -> dog\nstreet -> road",
    )


def test_its_python_runs(tmp_path, monkeypatch):
    for seed, step in enumerate((0, 500, 1000)):
        save_decoder(tmp_path / f"runs/checkpoint-{step}", layers=2, heads=2, seed=seed)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "comparing.md", "exec"), names)
