"""A survey's tables are read by anything, and say what heads do in words."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

import viz
from viz.errors import InputError, ShapeError, StorageError
from viz.survey import changed_heads, load_survey, open_corpus, run_survey, similar_heads
from viz.survey.head_sentence import head_sentence
from viz.survey.score_catalogue import SCORES
from viz.survey.survey_card import SurveySettings
from viz.survey.survey_folder import SurveyFolder


def test_a_survey_opens_where_it_was_moved(surveyed, tmp_path):
    moved = shutil.copytree(surveyed.folder, tmp_path / "elsewhere")
    found = viz.load_survey(str(moved))
    pd.testing.assert_frame_equal(found.heads(), surveyed.heads())
    frame = pd.read_parquet(moved / "scores.parquet")
    pd.testing.assert_frame_equal(frame, found.table("scores"), check_dtype=False)


def test_every_head_has_a_row_and_every_score_a_column(surveyed):
    heads = surveyed.heads()
    assert len(heads) == 6 * 12
    assert list(heads.columns[:3]) == ["stack", "layer", "head"]
    assert set(heads.columns[3:]) <= set(SCORES)


def test_the_previous_token_head_leads_and_is_told_in_words(surveyed):
    lead = surveyed.leaders("previous", 3)
    assert tuple(lead.loc[0, ["layer", "head"]]) == (0, 2)
    sentence = surveyed.sentence(0, 2)
    assert sentence.score == "previous"
    assert sentence.words.startswith("attends to the previous token with 100 % of its weight")
    assert "by chance" in sentence.words


def test_an_example_is_a_weight_that_explore_would_show(surveyed, model):
    for kind in ("heaviest", "chance"):
        examples = surveyed.examples(2, 9, kind=kind)
        assert len(examples) == 20
        one = examples.iloc[3]
        trace = viz.capture(model, one["text"])
        weight = trace.stacks["self"].weights(2, 9)[one["query"], one["key"]]
        assert float(weight) == pytest.approx(one["weight"], abs=1e-6)


def test_the_tokens_of_examples_stand_where_explore_finds_them(surveyed, model):
    examples = surveyed.table("examples")
    texts = surveyed.table("windows").set_index("window")["text"]
    for window, of_window in examples.groupby("window"):
        units = viz.capture(model, texts[window]).stacks["self"].queries
        for one in of_window.itertuples():
            assert units.labels[one.query] == one.query_label
            assert units.spans[one.key] == (one.key_from, one.key_to)
            if units.special[one.query]:
                assert one.query_from == one.query_to


def test_distributions_and_classes_are_shares_of_a_head(surveyed):
    for score in ("entropy", "previous", "distance"):
        assert surveyed.distribution(0, 2, score)["share"].sum() == pytest.approx(1)
    classes = surveyed.classes(0, 2)
    whole = classes.groupby("looks_from")[["weight", "chance"]].sum()
    np.testing.assert_allclose(whole, 1, atol=1e-5)


def test_a_head_is_most_like_itself_in_the_same_survey_twice(surveyed):
    found = similar_heads(surveyed, 0, 2, others=[surveyed], count=3)
    first = found.iloc[0]
    assert (first["survey"], first["layer"], first["head"]) == (1, 0, 2)
    assert first["apart"] == 0
    assert found["apart"].is_monotonic_increasing


def test_what_changed_is_said_beside_the_noise_of_halves(surveyed, model, texts, tmp_path):
    few = SurveySettings(length=16, probes=False, loss_windows=0, tokens=120)
    run_survey(model, open_corpus(texts), SurveyFolder(tmp_path), few)
    found = changed_heads(surveyed, load_survey(tmp_path), "previous")
    assert set(found["score"]) == {"previous"}
    np.testing.assert_allclose(found["change"], found["second"] - found["first"])
    assert found["change"].abs().is_monotonic_decreasing
    same = changed_heads(surveyed, surveyed)
    assert (same["change"] == 0).all()
    assert len(same) == len(surveyed.table("scores").dropna(subset=["value"]))


def test_what_is_not_there_is_said(surveyed, tmp_path):
    with pytest.raises(InputError, match=r"holds no survey"):
        load_survey(tmp_path)
    with pytest.raises(ShapeError, match="no head 40 in layer 2 of self"):
        surveyed.scores(2, 40)
    with pytest.raises(ShapeError, match="no head 1 in layer 9"):
        similar_heads(surveyed, 9, 1)
    with pytest.raises(InputError, match=r"no score 'previus'"):
        surveyed.leaders("previus")
    with pytest.raises(InputError, match="no table"):
        surveyed.table("scores; drop")
    folder = shutil.copytree(surveyed.folder, tmp_path / "kept")
    (folder / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"table of the survey in .* is damaged"):
        load_survey(folder).heads()
    (folder / "scores.parquet").unlink()
    with pytest.raises(StorageError, match=r"lacks scores\.parquet"):
        load_survey(folder)


def scores(**rows):
    columns = ["value", "chance", "first_half", "second_half"]
    return pd.DataFrame(
        [[name, *values] for name, values in rows.items()], columns=["score", *columns]
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            {"previous": (0.912, 0.02, 0.91, 0.914), "first": (0.05, 0.02, 0.05, 0.05)},
            "attends to the previous token with 91 % of its weight; 2 % by chance; stable over both halves",
        ),
        (
            {"sink": (0.6, 0.004, 0.7, 0.5)},
            "attends to sinks with 60 % of its weight; 0.4 % by chance; 70 % in one half of the texts and 50 % in the other",
        ),
        (
            {"first": (0.3, np.nan, np.nan, 0.3)},
            "attends to the first token with 30 % of its weight; measured on one half of the texts only",
        ),
        (
            # Punctuation is as frequent, so that this is no preference.
            {"punctuation": (0.4, 0.34, 0.4, 0.4), "entropy": (3.0, 4.0, 3.0, 3.0)},
            "spreads its weight over about 20 tokens, without a preference that is measured; 55 by chance",
        ),
        ({"copying": (0.9, 0.0, np.nan, np.nan)}, "has no preference that is measured"),
    ],
)
def test_a_head_is_told_from_its_numbers_alone(rows, words):
    assert head_sentence(scores(**rows)).words == words
