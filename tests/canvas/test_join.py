"""ES modules of a view joined into one."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.canvas.shared.join import JoinError, joined


@pytest.fixture
def write(tmp_path):
    """Write files by their names into a view's folder; answer with its entry."""

    def write(**files: str) -> Path:
        view = tmp_path / "some_view"
        view.mkdir()
        for name, text in files.items():
            (view / f"{name}.js").write_text(text)
        return view / "view.js"

    return write


def test_what_is_imported_stands_before_what_imports_it_and_only_once(write):
    entry = write(
        view=(
            '// The view.\nimport { draw } from "./drawing.js";\n'
            'import { clamp } from "./plane.js";\n\nexport default function () {\n  draw(clamp);\n}\n'
        ),
        drawing='import {\n  clamp,\n  SIDE,\n} from "./plane.js";\n\nexport async function draw() {}\n',
        plane="export const SIDE = 3;\nexport class Plane {}\nexport function clamp() {}\n",
    )
    assert joined(entry) == (
        "// some_view/plane.js\nconst SIDE = 3;\nclass Plane {}\nfunction clamp() {}\n\n"
        "// some_view/drawing.js\nasync function draw() {}\n\n"
        "// some_view/view.js\n// The view.\n\nexport default function () {\n  draw(clamp);\n}\n"
    )


def test_words_of_a_sentence_are_left_as_they_are(write):
    entry = write(view='// One may\n  say("import { a } from \\"./b.js\\"; export const");\n')
    assert joined(entry).endswith(entry.read_text())


def refused(entry: Path) -> str:
    with pytest.raises(JoinError) as caught:
        joined(entry)
    return str(caught.value)


def test_files_that_import_each_other_are_named_in_their_order(write):
    entry = write(
        view='import { a } from "./one.js";\n',
        one='import { b } from "./two.js";\nexport const a = 1;\n',
        two='import { a } from "./one.js";\nexport const b = 1;\n',
    )
    circle = "some_view/one.js -> some_view/two.js -> some_view/one.js"
    assert refused(entry) == f"files import each other: {circle}"


def test_a_missing_file_is_named_with_who_asks_for_it(write):
    entry = write(view='import { a } from "./gone.js";\n')
    assert refused(entry) == "some_view/gone.js, which some_view/view.js imports, is not there"


def test_a_missing_entry_is_named(tmp_path):
    assert refused(tmp_path / "view" / "view.js") == "view/view.js is not there"


def test_what_a_file_does_not_export_is_named_with_what_it_does(write):
    entry = write(
        view='import { b } from "./one.js";\n',
        one="export const a = 1;\nconst b = 2;\n",
    )
    wrong = "some_view/view.js imports b from some_view/one.js, which exports a"
    assert refused(entry) == wrong


def test_two_files_that_declare_one_name_are_both_named(write):
    entry = write(
        view='import { a } from "./one.js";\nfunction same() {}\n',
        one="export const a = 1;\nconst same = 1;\n",
    )
    places = "some_view/one.js and some_view/view.js"
    assert refused(entry) == f"same is declared twice, in {places}: give one another name"


@pytest.mark.parametrize(
    "line",
    [
        'import "./one.js";',
        'import * as one from "./one.js";',
        'import one from "./one.js";',
        'import { a } from "d3";',
        "export { a };",
        "export let a = 1;",
        'export * from "./one.js";',
    ],
)
def test_what_is_not_understood_is_refused_and_not_guessed(write, line):
    assert refused(write(view=f"{line}\n", one="export const a = 1;\n")).endswith(line)


def test_a_name_that_an_import_changes_is_refused(write):
    entry = write(view='import { a as b } from "./one.js";\n', one="export const a = 1;\n")
    assert "'a as b'" in refused(entry)


def test_a_value_taken_apart_at_the_top_is_refused(write):
    assert "one name a line" in refused(write(view="const { a, b } = window;\n"))


def test_a_default_export_is_the_entrys_alone(write):
    entry = write(
        view='import { a } from "./one.js";\n',
        one="export const a = 1;\nexport default function () {}\n",
    )
    assert "some_view/one.js has a line that cannot be joined: export default" in refused(entry)
