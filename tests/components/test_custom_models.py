"""Custom models on the page, opened like any other folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from components.explore_session import workbench
from tests.models.custom.models import kinds, tokenizer
from viz.models.custom import build_model, save_model

MAIN = Path(__file__).parents[2] / "components" / "main.py"


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open a folder with a model of a class by its link."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))

    def open_it(name, **parameters):
        reader = tokenizer(end=name == "LoupeForConditionalGeneration")
        module = build_model(kinds()[name], reader, seed=0)
        # By a name of its own: the page keeps what it has opened.
        folder = tmp_path / "models" / name
        save_model(module, folder, reader if "media" not in parameters else None)
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        app.query_params = {"model": name, "local": "1", **parameters}
        app.run()
        assert not app.exception
        assert [error.value for error in app.error] == []
        return [heading.value for heading in app.subheader]

    return open_it


@pytest.mark.parametrize(
    "name",
    [
        "LoupeForCausalLM",
        "LoupeForMaskedLM",
        "LoupeForConditionalGeneration",
        "LoupeForSequenceClassification",
    ],
)
def test_a_model_of_texts_opens_analysed(opened, name):
    assert "Layer 0, head 0" in opened(name, text="the cat sat on the mat")


def test_a_model_of_pictures_opens_analysed(opened, tmp_path):
    Image.new("RGB", (32, 20), "orange").save(tmp_path / "a.png")
    media = workbench().media.put((tmp_path / "a.png").read_bytes(), ".png")
    headings = opened("LoupeForImageClassification", media=media)
    # Which layer and head it opens on is what it looks at.
    assert [one for one in headings if one.startswith("Layer ")]
