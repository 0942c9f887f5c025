"""What each token does to the prediction."""

from __future__ import annotations

import pytest
from streamlit.runtime.scriptrunner import StopException

import viz
from components import run_panel
from components.panels import effects_found, effects_tokens
from tests.components.effects.page import TEXT, box, opened_part
from tests.models.folders import save_encoder_decoder
from viz.effects import token_agreement


def test_tokens_are_listed_by_every_method_that_is_known(link, model):
    app = opened_part(link, "tokens")
    found = viz.effects(model, TEXT)

    def listed():
        return next(one.value for one in app.dataframe if "Rollout" in one.value.columns)

    assert list(listed().columns) == ["token", "Gradient × input", "Relevance", "Rollout"]
    assert app.session_state["view"].attribution == "gradient_times_input"
    control = next(one for one in app.pills if one.label == "Tokens by")
    for method in ("attn_lrp", "flow", "integrated_gradients", "leave_one_out"):
        control.set_value(method).run()
        assert not app.exception
        name = effects_tokens.METHODS[method].name
        assert listed()[name].tolist() == pytest.approx(
            found.tokens(method)["effect"].tolist(), abs=1e-5, nan_ok=True
        )
    assert any(one.value.startswith("Sums over all tokens: Gradient") for one in app.caption)
    ranks = token_agreement({name: found.tokens(name) for name in ("rollout", "leave_one_out")})
    assert any(f"Rollout {ranks['rollout']:.2f}" in one.value for one in app.caption)


def test_what_is_shown_of_weights_and_tokens_lies_in_the_link(link):
    app = link(weighed="share", attribution="rollout")
    for part in ("pattern by effect", "tokens"):
        app.session_state[f"effects {part}"] = True
    app.run()
    assert box(app, "effects pattern kind").value == "share"
    assert next(one for one in app.pills if one.label == "Tokens by").value == "rollout"
    box(app, "effects pattern kind").set_value("value_norm").run()
    assert app.query_params["weighed"] == "value_norm"


@pytest.mark.parametrize("method", ["rollout", "relevance"])
def test_following_weights_back_is_cancelled_between_layers(link, monkeypatch, method):
    pressed = []

    def cancel():
        """As if the button were pressed meanwhile."""
        pressed.append(method)
        effects_tokens.panel_of(method).stop(effects_found.shown_effects())
        raise StopException

    app = link(attribution=method)
    app.session_state["effects tokens"] = True
    with monkeypatch.context() as patched:
        patched.setattr(run_panel, "stop_if_superseded", cancel)
        app.run()
    assert pressed == [method], "the first of two layers was the last"
    app.run()
    assert not app.exception
    name = effects_tokens.METHODS[method].name
    assert name not in next(one.value for one in app.dataframe if "Gradient × input" in one.value)
    next(one for one in app.button if one.label == f"Find {name.lower()}").click().run()
    assert name in next(one.value for one in app.dataframe if "Gradient × input" in one.value)


def test_what_is_written_stands_beside_what_is_read(link, tmp_path):
    folder = save_encoder_decoder(tmp_path / "models" / "rewrites")
    pair = "the dog did not sit"
    app = opened_part(
        link, "tokens", model="rewrites", text="the cat", pair=pair, attribution="rollout"
    )
    found = viz.effects(viz.load_model(str(folder)), "the cat", target=pair).tokens("rollout")
    written = found.attrs["written"]
    listed = next(one.value for one in app.dataframe if "Rollout" in one.value)
    assert listed["Rollout"].tolist() == pytest.approx(
        [*found["effect"], *written["effect"]], abs=1e-5
    )
    assert (
        listed["token"].iloc[-1] == f"{written['token'][-1]} ({len(written['token']) - 1}, written)"
    )
    assert any("Of what the model writes" in one.value for one in app.caption)
