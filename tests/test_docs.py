"""What the pages of documentation say is so: links, names, numbers, and their Python."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
import torch

import viz
from components import compare_state, explore_state
from components.head_views import HEAD_VIEWS
from components.panels import views_panel  # noqa: F401 - adds the views
from components.panels.head_panel import BADGES
from scripts.doc_tables import PAGE, statistics_page
from viz.analysis import EXPORT_FORMATS, induction_scores
from viz.capture.checking.model_check import EXACT, EXACT_HALF
from viz.capture.replay.rounding import ROUNDED, SUMMED
from viz.capture.tiers.call_tier import CALL_TIERS
from viz.capture.verification import PROJECTED, ROW_SUM_TOLERANCE
from viz.models.model import Tier
from viz.patterns import STATISTICS, statistics
from viz.service import TextStore
from viz.training.tasks import TASKS

ROOT = Path(__file__).parent.parent
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text()
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
}
TUTORIAL, HOW_TO, READING = (
    PAGES[f"docs/{name}.md"] for name in ("tutorial", "how-to", "reading-the-numbers")
)
ALL = "\n".join(PAGES.values())

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:viz|components|tests|docs|scripts|assets)/[\w./-]*[\w-])`")


def python_of(page: str) -> list[str]:
    """Return the blocks of Python of a page, in order."""
    return [code for language, code in FENCE.findall(PAGES[page]) if language == "python"]


def anchors_of(page: str) -> set[str]:
    """Name the headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [(name, link) for name, page in PAGES.items() for link in LINK.findall(FENCE.sub("", page))]


@pytest.mark.parametrize(
    ("page", "link"), [(page, link) for page, link in LINKS if "://" not in link]
)
def test_a_link_between_pages_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in anchors_of(target.read_text())


def test_every_page_of_docs_is_reached_from_another():
    for name in PAGES:
        if name.startswith("docs/") and "decisions" not in name:
            linking = [page for page in PAGES.values() if f"{Path(name).name})" in page]
            linking += [page for page in PAGES.values() if f"{Path(name).name}#" in page]
            assert linking, f"no page links to {name}"


NEW = set(re.findall(r"^# ((?:viz|components|tests)/\S+)$", PAGES["CONTRIBUTING.md"], re.MULTILINE))


@pytest.mark.parametrize("path", sorted(set(FILE.findall(PAGES["CONTRIBUTING.md"])) - NEW))
def test_a_file_that_contributors_are_sent_to_is_there(path):
    assert (ROOT / path).exists() or path == "tests/browser/failures"


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^make ([\w-]+)", PAGES["CONTRIBUTING.md"], re.MULTILINE)))
)
def test_commands_for_contributors_are_there(command):
    done = subprocess.run(["make", "-n", command], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_table_of_statistics_is_in_step():
    assert PAGE.read_text() == statistics_page(), "run scripts/doc_tables.py"


@pytest.mark.parametrize("name", STATISTICS)
def test_a_statistic_is_explained(name):
    assert f"`{name}`]" in PAGES["docs/statistics.md"]
    title = STATISTICS[name].title.split(" (")[0]
    assert title.format(unit="token", units="tokens", the_first="the first token") in READING


@pytest.mark.parametrize("name", HEAD_VIEWS)
def test_a_view_is_named(name):
    assert f"*{HEAD_VIEWS[name].title}*" in ALL


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_an_export_format_is_named(name):
    assert f"*{EXPORT_FORMATS[name].title}* (format `{name}`)" in HOW_TO


@pytest.mark.parametrize("tier", get_args(Tier))
def test_a_tier_is_explained_with_its_badge(tier):
    assert f"| {BADGES[tier]} | `{tier}` |" in READING


@pytest.mark.parametrize("name", CALL_TIERS)
def test_a_way_of_seeing_calls_is_named(name):
    assert f"`{name}`" in READING


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_its_line(name):
    assert f"| `{name}` | {TASKS[name].title} |" in HOW_TO


def test_the_tolerances_are_those_of_the_checks():
    eps = torch.finfo(torch.float32).eps
    assert f"{SUMMED} x epsilon ({SUMMED * eps:.1e}".replace("e-0", "e-") in READING
    halves = (ROUNDED * torch.finfo(one).eps for one in (torch.bfloat16, torch.float16))
    assert f"{ROUNDED} x epsilon of the type ({', '.join(f'{h:.2g}' for h in halves)})" in READING
    assert f"| {PROJECTED} times as much |" in READING
    assert f"| row sums | {ROW_SUM_TOLERANCE:.0e} |".replace("e-0", "e-") in READING
    least = f"at least {EXACT[torch.float32]:.0e}".replace("e-0", "e-")
    assert f"{least} in float32 and float64, {EXACT_HALF:g} in the half types" in READING


def test_no_term_of_the_glossary_is_explained_twice_or_left_open():
    rows = [line.split(" | ") for line in PAGES["docs/glossary.md"].splitlines() if "|" in line]
    terms = [row[0].removeprefix("| ") for row in rows[2:]]
    assert all(len(row) == 3 and all(cell.strip(" |") for cell in row) for row in rows[2:])
    assert len(set(terms)) == len(terms) > 40


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to run in, from which the samples are to be seen."""
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/how-to.md", "docs/effects.md"])
def test_the_python_of_a_page_runs(page, folder):
    names: dict[str, object] = {}
    for code in python_of(page):
        exec(compile(code, page, "exec"), names)


def test_what_contributors_add_works_as_written(folder, monkeypatch):
    """Every file is run as it stands, and then every test of them."""
    monkeypatch.syspath_prepend(str(folder))
    registries = (STATISTICS, HEAD_VIEWS, EXPORT_FORMATS, CALL_TIERS, TASKS)
    before = [registry.names for registry in registries]
    ran = 0
    try:
        for code in python_of("CONTRIBUTING.md"):
            file = code.splitlines()[0].removeprefix("# ")
            if file == "another_library.py":
                (folder / file).write_text(code)
                continue
            names: dict[str, object] = {"__name__": file.replace("/", ".").removesuffix(".py")}
            exec(compile(code, file, "exec", dont_inherit=True), names)
            if "TASK" in names:  # what the line in the package's __init__ does
                TASKS.add(names["TASK"])
            for test in [value for name, value in names.items() if name.startswith("test_")]:
                test()
                ran += 1
        added = [set(one.names) - set(old) for one, old in zip(registries, before, strict=True)]
        assert [len(one) for one in added] == [1, 1, 1, 1, 1]
        assert ran == 5
    finally:
        sys.modules.pop("another_library", None)
        for registry, old in zip(registries, before, strict=True):
            for name in set(registry.names) - set(old):
                registry.remove(name)


@pytest.fixture(scope="module")
def repeating():
    """What the tutorial looks at: the text that repeats, and the one that does not."""
    model = viz.load_model("loupe")
    quoted = [line.strip()[2:] for line in TUTORIAL.splitlines() if line.strip().startswith("> ")]
    return [viz.capture(model, text).stacks["self"] for text in quoted]


def test_the_weights_of_the_tutorial_are_those_of_the_head(repeating):
    rows = re.findall(r"^\| `(\S+)` \((\d+)\) \| `(\S+)` \((\d+)\) \| ([\d.]+) \|$", TUTORIAL, re.M)
    assert len(rows) == 4
    stack, _ = repeating
    weights = stack.weights(1, 0)
    for query, at, key, to, weight in rows:
        assert (stack.queries.labels[int(at)], stack.keys.labels[int(to)]) == (query, key)
        assert int(weights[int(at)].argmax()) == int(to)
        assert float(weights[int(at), int(to)]) == pytest.approx(float(weight), abs=6e-4)


def test_the_heads_of_the_tutorial_lead(repeating):
    stack, other = repeating
    previous = statistics(stack).previous
    assert divmod(int(previous.argmax()), previous.shape[1]) == (0, 2)
    assert f"Previous token: **{previous[0, 2]:.3f}**" in TUTORIAL
    best = induction_scores(stack).best
    assert best[:2] == (1, 0)
    assert f"leads with {best.score:.2f}; uniform: {best.uniform:.2f}" in TUTORIAL
    sinks = [float(one.weights(1, 0)[18:, 0].mean()) for one in (stack, other)]
    assert f"rises from {sinks[0]:.2f} to {sinks[1]:.2f}" in TUTORIAL
    assert f"The text has {len(stack.queries)} tokens" in TUTORIAL


def test_the_links_of_the_tutorial_open_what_it_describes(repeating, tmp_path):
    explore, compare = (
        dict(parse_qsl(urlsplit(link).query))
        for link in re.findall(r"<(http://\S+\?\S+)>", TUTORIAL)
    )
    quoted = [line.strip()[2:] for line in TUTORIAL.splitlines() if line.strip().startswith("> ")]
    texts = TextStore(tmp_path)
    view, problems = explore_state.from_query(explore, texts)
    assert not problems
    assert (view.model, view.text, view.layer, view.head) == ("loupe", quoted[0], 0, 2)
    both, problems = compare_state.from_query(compare, texts)
    assert not problems
    assert [both.first.text, both.second.text] == quoted
    assert (both.first.heads, both.second.heads) == ("1.0", "1.0")
    assert (both.first.model, both.second.model) == ("loupe", "loupe")
