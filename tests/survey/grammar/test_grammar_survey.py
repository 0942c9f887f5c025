"""A survey along which a spaCy pipeline reads: what it keeps, what it says, and what it refuses."""

from __future__ import annotations

import builtins
import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.survey.conftest import SETTINGS
from tests.survey.grammar.packages import write_package
from viz.cli import main
from viz.errors import InputError, LoupeError, StorageError
from viz.survey import WorkControl, changed_heads, load_survey, open_corpus, run_survey
from viz.survey.grammar.pipelines import installed_pipelines, load_pipeline
from viz.survey.grammar.top_relations import leading_heads, top_relations
from viz.survey.ray.ray_worker import ModelSource, Refusal, WindowWorker
from viz.survey.shard_file import sums_of_bytes
from viz.survey.survey_folder import SurveyFolder
from viz.survey.texts.windows import windows

PARSED = replace(SETTINGS, length=48, grammar="en_small_rules")


def few(settings, **changes):
    return replace(settings, tokens=200, **changes)


def test_parts_of_speech_are_classes_beside_the_tokenizers_own(parsed_survey):
    classes = parsed_survey.classes(0, 2, kind="part of speech")
    assert {"DET", "NOUN", "VERB", "none"} <= set(classes["looks_from"])
    whole = classes.groupby("looks_from")[["weight", "chance"]].sum()
    np.testing.assert_allclose(whole, 1, atol=1e-5)
    assert set(parsed_survey.classes(0, 2)["looks_from"]) & {"special token", "start of a word"}
    for kind in ("part of speech", "token"):
        one = parsed_survey.classes(0, 2, kind=kind)
        low = one[["first_half", "second_half"]].min(axis=1)
        high = one[["first_half", "second_half"]].max(axis=1)
        assert ((low - 1e-9 <= one["weight"]) & (one["weight"] <= high + 1e-9)).all()


def test_the_previous_token_head_follows_what_stands_beside_for_its_distance_alone(parsed_survey):
    relations = parsed_survey.relations(0, 2).set_index(["relation", "looks_from"])
    # An adjective stands before its noun, so that a head that looks at the token before looks from the noun at it.
    amod = relations.loc[("amod", "head")]
    assert amod["weight"] > 0.9
    assert amod["chance"] < 0.1
    assert amod["by_distance"] == pytest.approx(amod["weight"], abs=0.1)
    assert relations.loc[("amod", "dependant"), "weight"] < 0.1
    assert "goes" not in parsed_survey.sentence(0, 2).words


def test_each_head_has_a_relation_that_it_follows_most_and_each_relation_a_head(parsed_survey):
    relations = parsed_survey.table("relations")
    top, lead = top_relations(relations), leading_heads(relations)
    assert not top.duplicated(["stack", "layer", "head"]).any()
    assert len(top) == 6 * 12
    assert not lead.duplicated(["relation", "looks_from"]).any()
    assert (top["counted"] >= 50).all()


def test_relations_are_a_table_that_anything_reads(parsed_survey):
    frame = pd.read_parquet(parsed_survey.folder / "relations.parquet")
    pd.testing.assert_frame_equal(frame, parsed_survey.table("relations"), check_dtype=False)
    assert set(frame["relation"]) <= {"amod", "det", "nsubj", "obj", "ROOT"}
    assert parsed_survey.card.grammar["pipeline"] == "en_small_rules"
    assert parsed_survey.card.grammar["version"] == "1.0"
    assert parsed_survey.card.grammar["lacks"] == []


def test_a_survey_that_was_stopped_goes_on_to_the_same_tables(
    model, plain_texts, parsed_survey, tmp_path
):
    folder, control = SurveyFolder(tmp_path / "kept"), WorkControl()

    def stop_after_two(moment):
        if moment.phase == "texts" and moment.done == 2:
            control.stop()

    corpus = open_corpus(plain_texts)
    run_survey(model, corpus, folder, PARSED, control=control, seen=stop_after_two)
    run_survey(model, corpus, folder)
    found = load_survey(folder.path)
    for name in found.tables:
        pd.testing.assert_frame_equal(found.table(name), parsed_survey.table(name), rtol=1e-9)


def test_what_a_pipeline_does_not_tell_is_left_out_and_said(
    model, plain_texts, site, tmp_path, capsys
):
    options = ["--length", "48", "--tokens", "200", "--no-probes", "--loss-windows", "0"]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "survey",
                "demo",
                str(plain_texts),
                "--out",
                str(tmp_path / "heads"),
                *options,
                "--grammar",
                "en_small_parts",
            ]
        )
    assert ended.value.code in (0, None)
    assert (
        "Grammar by en_small_parts 1.0, which tells no dependency relations."
        in capsys.readouterr().out
    )
    survey = load_survey(tmp_path / "heads")
    assert not survey.classes(0, 0, kind="part of speech").empty
    with pytest.raises(
        InputError, match=r"en_small_parts 1\.0, which tells no dependency relations"
    ):
        survey.relations(0, 0)


def test_a_survey_without_grammar_says_so_and_is_compared_with_one_that_has_it(
    model, plain_texts, parsed_survey, tmp_path
):
    run_survey(model, open_corpus(plain_texts), SurveyFolder(tmp_path), few(SETTINGS))
    plain = load_survey(tmp_path)
    assert plain.classes(0, 0, kind="part of speech").empty
    for ask in (lambda: plain.relations(0, 0), lambda: plain.table("relations")):
        with pytest.raises(InputError, match="has no dependency relations: no spaCy pipeline"):
            ask()
    assert not changed_heads(plain, parsed_survey).empty


def test_a_survey_goes_on_with_the_same_pipeline_alone(
    model, plain_texts, parsed_survey, tmp_path, monkeypatch
):
    folder = SurveyFolder(shutil.copytree(parsed_survey.folder, tmp_path / "kept"))
    corpus = open_corpus(plain_texts)
    for other in ("en_small_parts", None):
        with pytest.raises(
            InputError, match=f"begun with grammar 'en_small_rules', and now it is {other!r}"
        ):
            run_survey(model, corpus, folder, replace(PARSED, grammar=other))
    card = folder.card()
    folder.write_card(replace(card, grammar={**card.grammar, "version": "0.9"}))
    with pytest.raises(StorageError, match=r"en_small_rules 0\.9, and 1\.0 is installed"):
        run_survey(model, corpus, folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("en_smal", r"no spaCy pipeline 'en_smal'; installed are .*en_small_parts, en_small_rules"),
        (
            "en_small_bare",
            "tells neither parts of speech nor dependency relations; it has sentencizer",
        ),
        ("./pipelines/mine", "is a folder, and only pipelines that are installed as packages"),
        ("", "no spaCy pipeline ''"),
        (3, "The spaCy pipeline is an int"),
    ],
)
def test_a_pipeline_that_cannot_be_used_is_one_sentence(
    name, said, site, model, plain_texts, tmp_path
):
    with pytest.raises(InputError, match=said):
        run_survey(
            model,
            open_corpus(plain_texts),
            SurveyFolder(tmp_path / "kept"),
            few(PARSED, grammar=name),
        )
    assert not (tmp_path / "kept").exists()


def test_without_spacy_what_to_install_is_said(site, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **options):
        if name.startswith("spacy"):
            raise ModuleNotFoundError("No module named 'spacy'", name="spacy")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        LoupeError, match=r"spaCy, which is not installed.*attention-loupe\[grammar\]"
    ):
        load_pipeline("en_small_rules")


def test_a_package_that_fails_is_said_with_its_reason(site):
    package = site / "en_small_broken"
    write_package(site, "en_small_broken", "attribute_ruler")
    (package / "__init__.py").write_text("raise RuntimeError('made for another spaCy')")
    with pytest.raises(LoupeError, match=r"en_small_broken 1\.0: made for another"):
        load_pipeline("en_small_broken")


def test_pipelines_are_listed_with_their_versions_and_none_is_loaded(site):
    assert installed_pipelines()["en_small_parts"] == "1.0"
    write_package(site, "en_small_unread", "sentencizer", version="2.5")
    assert installed_pipelines()["en_small_unread"] == "2.5"
    assert "en_small_unread" not in sys.modules


def test_a_worker_reads_along_with_the_same_version_alone(model, plain_texts, site, parsed_survey):
    source = ModelSource.of(model, "demo", "en_small_rules")
    worker = WindowWorker(source, device="cpu", seed=0)
    assert worker.load() is None
    batch = list(windows(open_corpus(plain_texts).read(), model, length=48, most_tokens=100))
    sums = sums_of_bytes(worker.measure(batch))
    assert set(sums.grammar) == {"self"}
    assert {"det", "nsubj"} <= set(sums.grammar["self"].relations)
    refused = WindowWorker(replace(source, grammar_version="0.9"), device="cpu", seed=0).load()
    assert isinstance(refused, Refusal)
    assert "has en_small_rules 1.0, and this machine has 0.9" in refused.message
