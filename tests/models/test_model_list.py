"""Models that are written one a line, and what they are called beside each other."""

from __future__ import annotations

import pytest

from tests.models.folders import save_decoder
from viz.errors import InputError
from viz.models.model_list import MOST_MODELS, Listed, folders_beside, read_models, short_names


@pytest.fixture
def roots(tmp_path):
    for name in ("tuned/step-0", "tuned/step-20", "tuned/step-100", "minilm", "gpt2"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").touch()
    (tmp_path / "models/tuned/step-7").mkdir()
    (tmp_path / "models/tuned/other-1").mkdir()
    (tmp_path / "outside-1").mkdir()
    return [tmp_path / "models"]


def test_a_line_is_a_catalogue_name_a_folder_or_a_hub_id(roots):
    text = "demo\n\n  tuned/step-0 \ntuned/step-1\nowner/name@v1\nowner/name @ refs/pr/1\ngpt2\n./minilm\n/x"
    assert read_models(text, roots) == (
        Listed("minilm"),
        Listed("tuned/step-0", local=True),
        Listed("tuned/step-1"),
        Listed("owner/name", "v1"),
        Listed("owner/name", "refs/pr/1"),
        Listed("gpt2", local=True),
        Listed("./minilm", local=True),
        Listed("/x", local=True),
    )


@pytest.mark.parametrize(
    "model",
    [
        Listed("minilm"),
        Listed("owner/name"),
        Listed("owner/name", "v1"),
        Listed("tuned/step-20", local=True),
    ],
)
def test_what_is_written_reads_back(model, roots):
    assert read_models(f"loupe\n{model.line}", roots)[1] == model


def test_a_folder_that_is_called_as_a_model_of_the_catalogue_is_written_as_a_path(roots):
    assert read_models("loupe\n" + Listed("minilm", local=True).line, roots)[1].local


def test_a_model_stands_once_whatever_it_is_called(roots):
    assert read_models("demo\nminilm\nloupe\ndemo", roots) == (Listed("minilm"), Listed("loupe"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no model"),
        ("demo\nminilm", "minilm alone"),
        ("\n".join(f"owner/name@{n}" for n in range(MOST_MODELS + 1)), "25 models; at most 24"),
        ("demo\nowner/name@", "no revision after its @"),
        ("loupe\ndemo@v1", "model of the catalogue"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_in_a_sentence(text, said, roots):
    with pytest.raises(InputError, match=said):
        read_models(text, roots)


def test_checkpoints_beside_a_folder_come_in_the_order_of_their_numbers(roots):
    found = ("tuned/step-0", "tuned/step-20", "tuned/step-100")
    assert folders_beside("tuned/step-20", roots) == found
    whole = str(roots[0] / "tuned/step-20")
    assert folders_beside(whole, roots) == tuple(str(roots[0] / one) for one in found)


@pytest.mark.parametrize(
    "folder", ["tuned/other-1", "minilm", "gpt2", "../outside-1", "tuned/step-9", ".", "\0 1", ""]
)
def test_a_folder_that_stands_alone_has_none_beside_it(folder, roots):
    assert folders_beside(folder, roots) == ()


def test_a_link_that_leads_outside_is_no_checkpoint(roots, tmp_path):
    save_decoder(tmp_path / "outside-1", layers=1, heads=1)
    (roots[0] / "tuned/step-3").symlink_to(tmp_path / "outside-1")
    assert "tuned/step-3" not in folders_beside("tuned/step-0", roots)


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (
            [Listed("owner/base"), Listed("owner/base", "v1"), Listed("owner/base", "v2")],
            ["base", "@v1", "@v2"],
        ),
        ([Listed("owner/base"), Listed("owner/tuned")], ["base", "tuned"]),
        ([Listed("owner/base"), Listed("other/base")], ["owner", "other"]),
        ([Listed("a/x", "v1"), Listed("b/y", "v1")], ["x@v1", "y@v1"]),
        (
            [
                Listed("minilm"),
                Listed("runs/a/final", local=True),
                Listed("runs/b/final", local=True),
            ],
            ["minilm", "a/final", "b/final"],
        ),
        (
            [Listed("runs/a/final", local=True), Listed("runs/b/final", local=True)],
            ["a", "b"],
        ),
        ([Listed("minilm"), Listed("./minilm", local=True)], ["minilm", "./minilm"]),
        ([Listed("x/" + "y" * 40), Listed("x/z")], ["…" + "y" * 27, "z"]),
        (
            [Listed("x/a" + "y" * 40), Listed("x/b" + "y" * 40)],
            ["a" + "y" * 40, "b" + "y" * 40],
        ),
    ],
)
def test_names_are_short_and_tell_each_from_the_others(models, names):
    assert list(short_names(models)) == names


def test_a_line_may_be_the_address_of_a_models_page(roots):
    text = "https://huggingface.co/owner/base\nhf.co/owner/base/tree/v2"
    assert read_models(text, roots) == (Listed("owner/base"), Listed("owner/base", "v2"))
