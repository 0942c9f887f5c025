"""What is predicted at every position, and after each layer."""

from __future__ import annotations

import pytest

import viz
from components.panels import logit_lens_view
from tests.components.effects.page import TEXT
from tests.models.folders import save_decoder
from viz.effects import logit_lens
from viz.inputs.units import label_alone


def test_every_position_is_listed_with_what_is_predicted_there(link, tmp_path):
    # Of its own, because the words of its tokenizer differ from one that is saved to the next.
    model = viz.load_model(str(save_decoder(tmp_path / "models" / "foresees", layers=1, heads=2)))
    app = link(model="foresees")
    app.session_state["predictions open"] = True
    app.run()
    assert not app.exception
    listed = next(one.value for one in app.dataframe if "predicts" in one.value.columns)
    best = viz.capture(model, TEXT).output.argmax(dim=-1).tolist()
    assert listed["predicts"].tolist() == [label_alone(model.tokenizer, one) for one in best]


def test_predictions_after_each_layer_are_those_of_python(link, tmp_path):
    # Of its own, because the words of its tokenizer differ from one that is saved to the next.
    folder = save_decoder(tmp_path / "models" / "answers", layers=2, heads=2)
    model = viz.load_model(str(folder))
    app = link(effects=False, model="answers", open="lens")
    assert not app.exception
    lens = logit_lens(model, TEXT)
    table = next(one.value for one in app.dataframe if "layer 1" in one.value.index)
    assert table.index.tolist() == ["layer 1", "layer 0", "embedding"]
    assert table.shape == (3, lens.ids.shape[1])
    for row, layer in zip(table.to_numpy(), (2, 1, 0), strict=True):
        ids = lens.ids[layer, :, 0].tolist()
        assert row.tolist() == [label_alone(model.tokenizer, one) for one in ids]
    likely = lens.probabilities[-1, -1].tolist()
    listed = [
        one.value["probability"].tolist()
        for one in app.dataframe
        if list(one.value) == ["token", "probability"]
    ]
    assert any(one == pytest.approx(likely) for one in listed)


@pytest.mark.parametrize("token", [None, 3, 20])
def test_what_comes_after_each_layer_stands_around_the_chosen_position(link, model, token):
    words = " ".join([TEXT] * 6)
    asked = {} if token is None else {"token": str(token)}
    app = link(effects=False, open="lens", text=words, **asked)
    assert not app.exception
    table = next(one for one in app.dataframe if "layer 1" in one.value.index)
    places = [int(one.rsplit("(", 1)[1][:-1]) for one in table.proto.column_order]
    last = len(viz.capture(model, words).units) - 1
    chosen = last if token is None else token
    assert places[0] == chosen
    beside = sorted(places)
    assert beside == list(range(beside[0], beside[0] + logit_lens_view.MOST_COLUMNS))
    assert beside[0] == 0 or beside[-1] == min(last, chosen + logit_lens_view.AFTER)
