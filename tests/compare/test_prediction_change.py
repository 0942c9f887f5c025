"""What changed in a prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

import viz
from viz.analysis import Predictions, predictions
from viz.compare import counterpart, outcome
from viz.compare.aligned_units import identical
from viz.errors import AlignmentError, ShapeError
from viz.inputs.units import units_from_ids

TIRED = "The animal didn't cross the street because it was too"
CROWDED = "The animal didn't cross the road because it was too"


@pytest.fixture(scope="module")
def loupe():
    return viz.load_model("loupe")


@pytest.fixture(scope="module")
def traces(loupe):
    return viz.capture(loupe, TIRED), viz.capture(loupe, CROWDED)


def listed(*chances, kind="causal", ids=None):
    numbers = range(len(chances)) if ids is None else ids
    return Predictions(kind, torch.tensor([list(numbers)]), torch.tensor([chances]))


def test_with_logits_every_number_is_that_of_the_whole_distribution(loupe, traces):
    one, other = traces
    found = outcome(
        *map(predictions, traces),
        tokenizers=(loupe.tokenizer, loupe.tokenizer),
        logits=(one.output, other.output),
    )
    p, q = (torch.softmax(trace.output[-1].double(), dim=-1).numpy() for trace in traces)
    assert found.jensen_shannon == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)
    assert found.kullback_leibler == pytest.approx(entropy(p, q), abs=1e-12)
    assert not found.tokens["at_least"].any()
    number = int(predictions(one).ids[-1, 0])
    name = predictions(one).at(-1, loupe.tokenizer)["token"][0]
    line = found.tokens.set_index("token").loc[name]
    assert (line["first"], line["second"]) == pytest.approx((p[number], q[number]), abs=1e-12)
    assert found.tokens["difference"].abs().is_monotonic_decreasing


def test_a_pass_against_itself_predicts_the_same(loupe, traces):
    one, _ = traces
    ranked = predictions(one)
    pair = (loupe.tokenizer, loupe.tokenizer)
    found = outcome(ranked, ranked, tokenizers=pair, logits=(one.output, one.output))
    assert found.jensen_shannon == found.kullback_leibler == 0
    assert not outcome(ranked, ranked, tokenizers=pair).tokens["difference"].any()


def test_without_logits_a_token_that_is_not_listed_differs_by_what_is_sure():
    found = outcome(listed(0.6, 0.3), listed(0.5, 0.2, ids=[1, 7]))
    assert found.jensen_shannon is None
    lines = found.tokens.set_index("token")
    # Token 0 is not among the second's; it has 0.2 there at most, and token 7 has 0.1 here at most.
    assert lines.loc["0", "difference"] == pytest.approx(-0.4)
    assert lines.loc["7", "difference"] == pytest.approx(0.1)
    assert lines.loc["1", "difference"] == pytest.approx(0.2)
    assert lines["at_least"].to_dict() == {"0": True, "1": False, "7": True}
    assert np.isnan(lines.loc["0", "second"])


def test_what_is_sure_without_logits_is_no_more_than_what_is_so(loupe, traces):
    one, other = traces
    pair = (loupe.tokenizer, loupe.tokenizer)
    ranked = [predictions(trace, count=4) for trace in traces]
    logits = (one.output, other.output)
    exact = outcome(*ranked, at=(-1, 5), tokenizers=pair, logits=logits).tokens
    sure = outcome(*ranked, at=(-1, 5), tokenizers=pair).tokens
    both = exact.merge(sure, on="token")
    assert both["at_least_y"].any()
    assert (both["difference_y"].abs() <= both["difference_x"].abs() + 1e-6).all()


def test_tokens_of_two_vocabularies_are_matched_by_what_they_read(loupe):
    smollm2 = viz.load_model("smollm2")
    traces = [viz.capture(model, TIRED) for model in (smollm2, loupe)]
    ranked = [predictions(trace) for trace in traces]
    models = (smollm2.tokenizer, loupe.tokenizer)
    found = outcome(*ranked, tokenizers=models, logits=tuple(trace.output for trace in traces))
    assert found.jensen_shannon is None
    tops = [side.at(-1, model)["token"] for side, model in zip(ranked, models, strict=True)]
    assert set(found.tokens["token"]) == {t.removeprefix("·") or t for top in tops for t in top}


def test_of_two_vocabularies_every_number_is_the_sum_over_the_tokens_that_read_so(loupe):
    smollm2 = viz.load_model("smollm2")
    models = (smollm2, loupe)
    traces = [viz.capture(model, TIRED) for model in models]
    ranked = [predictions(trace, whole=[len(trace.output) - 1]) for trace in traces]
    pair = (smollm2.tokenizer, loupe.tokenizer)
    found = outcome(*ranked, tokenizers=pair).tokens
    assert not found[["first", "second", "difference"]].isna().any().any()
    assert not found["at_least"].any()
    for name, column in zip(("first", "second"), range(2), strict=True):
        chances = torch.softmax(traces[column].output[-1].double(), dim=-1)
        words = units_from_ids(pair[column], list(range(len(pair[column])))).labels
        for line in found.itertuples():
            same = [
                n for n, word in enumerate(words) if line.token in (word, word.removeprefix("·"))
            ]
            assert getattr(line, name) == pytest.approx(float(chances[same].sum()), abs=1e-6)
    torch.testing.assert_close(
        torch.tensor(found["difference"]), torch.tensor(found["second"] - found["first"])
    )


def test_kept_distributions_say_what_logits_say(loupe, traces):
    one, other = traces
    pair = (loupe.tokenizer, loupe.tokenizer)
    kept = [predictions(trace, whole=[len(trace.output) - 1]) for trace in traces]
    found = outcome(*kept, tokenizers=pair)
    exact = outcome(*kept, tokenizers=pair, logits=(one.output, other.output))
    assert found.jensen_shannon == pytest.approx(exact.jensen_shannon, abs=1e-7)
    assert list(found.tokens["token"]) == list(exact.tokens["token"])
    assert found.tokens["difference"].to_numpy() == pytest.approx(
        exact.tokens["difference"].to_numpy(), abs=1e-7
    )


def test_a_vocabulary_that_is_padded_further_gives_exact_numbers_of_its_tokens(loupe, traces):
    one, other = traces
    padded = torch.nn.functional.pad(other.output, (0, 64), value=-1e9)
    pair = (loupe.tokenizer, loupe.tokenizer)
    ranked = [predictions(trace) for trace in traces]
    found = outcome(*ranked, tokenizers=pair, logits=(one.output, padded))
    exact = outcome(*ranked, tokenizers=pair, logits=(one.output, other.output))
    assert found.jensen_shannon is None
    assert found.tokens["difference"].tolist() == exact.tokens["difference"].tolist()


def test_logits_of_other_vocabularies_give_no_divergence(traces):
    one, other = traces
    ranked = [predictions(trace) for trace in traces]
    fewer = replace(other, output=other.output[:, :-1]).output
    assert outcome(*ranked, logits=(one.output, fewer)).jensen_shannon is None


def test_models_that_answer_other_questions_are_refused():
    with pytest.raises(AlignmentError, match="what comes next, the second what fills a place"):
        outcome(listed(1.0), listed(1.0, kind="masked"))
    assert len(outcome(listed(1.0), listed(1.0, kind="seq2seq")).tokens) == 1


def test_a_position_that_is_not_there_is_named():
    with pytest.raises(ShapeError, match="There is no position 3"):
        outcome(listed(1.0), listed(1.0), at=(0, 3))


def test_a_position_has_its_counterpart(traces):
    rows = identical(traces[0].units)
    assert counterpart(rows, 3) == 3
    alone = replace(rows, second=(*rows.second[:3], (), *rows.second[4:]))
    assert counterpart(alone, 3) is None
    with pytest.raises(ShapeError, match="There is no position 999"):
        counterpart(rows, 999)
