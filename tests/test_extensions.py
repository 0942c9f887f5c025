"""What grows by a file: one of each kind, in a folder of another package, is seen by the app and by Python."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

import viz
from components.head_views import HEAD_VIEWS
from tests.models.folders import save_small
from viz.analysis import EXPORT_FORMATS
from viz.capture.tiers.call_tier import CALL_TIERS
from viz.patterns import STATISTICS, overview
from viz.registry import EXTENSIONS, load_extensions
from viz.training.tasks import TASKS

MAIN = Path(__file__).parents[1] / "components" / "main.py"

FILES = {
    "added_statistic": """
        from viz.patterns import STATISTICS, Statistic

        STATISTICS.add(Statistic(
            name="largest", field="largest_weight", column="largest weight", title="largest weight",
            short="largest weight", unit="", meaning="mean of each row's largest weight",
            sum_of=lambda block: block.weights.amax(dim=2).sum(dim=1), palette="viridis",
        ))
    """,
    "added_view": """
        import streamlit as st

        from components.head_views import HEAD_VIEWS, HeadView

        HEAD_VIEWS.add(HeadView(
            "counts", "Counts", lambda analysis: st.write(f"{len(analysis.trace.units)} units seen")
        ))
    """,
    "added_format": """
        from viz.analysis import EXPORT_FORMATS, ExportFormat


        def write(head):
            weights = head.stack.weights(head.layer, head.head)
            return "\\n".join(" ".join(f"{w:.6f}" for w in row) for row in weights.tolist()).encode()


        EXPORT_FORMATS.add(ExportFormat(
            "weights", "Download all weights", "txt", "text/plain", "every weight, a row a line", write
        ))
    """,
    "added_task": """
        import dataclasses

        from viz.training.tasks import TASKS

        TASKS.add(dataclasses.replace(TASKS["reverse"], name="backwards", title="Backwards again"))
    """,
    "added_tier": """
        from contextlib import contextmanager

        import another_library
        from viz.capture.tiers.call_tier import CALL_TIERS, CallTier
        from viz.capture.tiers.registry import AttentionCall


        @contextmanager
        def watching(module, observer, batch):
            plain = another_library.attend

            def seen(part, query, key, value):
                output = plain(part, query, key, value)
                observer(AttentionCall(
                    module=part, query=query, key=key, value=value, mask=None, is_causal=False,
                    scale=query.shape[-1] ** -0.5, bias=None, softcap=None, sinks=None, window=None,
                    dropout=0.0, output=output.transpose(1, 2), tier="hooks",
                ))
                return output

            another_library.attend = seen
            try:
                yield
            finally:
                another_library.attend = plain


        CALL_TIERS.add(CallTier("another_library", watching))
    """,
    "another_library": """
        import numpy as np
        import torch


        def attend(part, query, key, value):
            # Computed outside of torch, so that nothing else sees it.
            q, k, v = (one.detach().numpy().astype(np.float64) for one in (query, key, value))
            scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            return torch.from_numpy((weights @ v).astype(np.float32))
    """,
}
ADDED = [name for name in FILES if name.startswith("added")]


@pytest.fixture
def extensions(tmp_path, monkeypatch):
    folder = tmp_path / "package"
    folder.mkdir()
    for name, code in FILES.items():
        lines = code.splitlines()
        (folder / f"{name}.py").write_text("\n".join(line[8:] for line in lines))
    info = folder / "another_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another-package\nVersion: 1.0\n")
    entries = "\n".join(f"{name} = {name}" for name in ADDED)
    (info / "entry_points.txt").write_text(f"[{EXTENSIONS}]\n{entries}\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    yield folder
    for name in FILES:
        sys.modules.pop(name, None)
    for registry, name in (
        (STATISTICS, "largest"),
        (HEAD_VIEWS, "counts"),
        (EXPORT_FORMATS, "weights"),
        (TASKS, "backwards"),
        (CALL_TIERS, "another_library"),
    ):
        registry.remove(name)


@pytest.fixture(params=[False])
def explore(extensions, tmp_path, monkeypatch, request):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_small(tmp_path / "models" / "small")
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.query_params["model"] = "small"
    app.query_params["local"] = "1"
    app.query_params["text"] = "the cat sat on the mat"
    app.query_params["statistic"] = "largest"
    app.query_params["sort"] = "largest"
    app.query_params["keep"] = "largest:0.01..1"
    if request.param:
        app.query_params["open"] = "counts"
    app.run()
    assert not app.exception
    return app


def test_a_statistic_is_in_the_heatmap_the_table_the_order_the_bounds_and_beside_the_head(explore):
    assert not explore.warning
    assert explore.selectbox(key="statistic").value == "largest"
    assert "largest" in explore.selectbox(key="grid sort").options or any(
        "largest weight" in option for option in explore.selectbox(key="grid sort").options
    )
    (table,) = [one.value for one in explore.dataframe if "largest weight" in one.value]
    model = viz.load_model(str(Path(viz.models.folders.cache_folder()) / "models" / "small"))
    stack = viz.capture(model, "the cat sat on the mat").stacks["self"]
    for _, line in table.iterrows():
        weights = stack.weights(int(line["layer"]), int(line["head"]))
        assert line["largest weight"] == pytest.approx(float(weights.amax(1).mean()), rel=1e-5)
    assert table["largest weight"].is_monotonic_increasing
    assert any("Largest weight" in one.value for one in explore.markdown)


def test_a_statistic_of_a_long_text_is_exact(extensions):
    load_extensions()
    config = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    from transformers import LlamaConfig, LlamaModel

    module = LlamaModel(LlamaConfig(**config, num_attention_heads=2, num_key_value_heads=2)).eval()
    ids = torch.randint(50, (1, 1_300))
    stack = viz.capture(viz.wrap_model(module), {"input_ids": ids}).stacks["self"]
    found = overview(stack)[0].of("largest_weight")
    right = [[float(stack.weights(0, head).amax(1).mean()) for head in range(2)]]
    np.testing.assert_allclose(found, right, rtol=1e-5)


@pytest.mark.parametrize("explore", [False, True], indirect=True)
def test_a_view_is_drawn_where_it_is_open(explore):
    assert "Counts" in [one.label for one in explore.expander]
    drawn = any("units seen" in one.value for one in explore.markdown)
    assert drawn == explore.session_state["counts open"]


def test_a_format_has_its_button(explore):
    labels = [one.proto.label for one in explore.get("download_button")]
    assert "Download CSV" in labels
    assert "Download all weights" in labels


def train_page():
    from components.pages import train

    train.page()


def test_a_task_is_offered_and_found(extensions):
    load_extensions()
    app = AppTest.from_function(train_page)
    app.run(timeout=60)
    assert not app.exception
    assert "Backwards again" in app.selectbox(key="train task").options


class Foreign(nn.Module):
    """Attends by a library that no way of seeing of ours knows."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        import another_library

        parts = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        return another_library.attend(self, *parts).transpose(1, 2).flatten(2)


def test_a_way_of_seeing_attention_shows_what_nothing_else_sees(extensions):
    x, module = torch.randn(1, 7, 16), Foreign().eval()
    with pytest.raises(viz.LoupeError, match="no softmax attention"):
        viz.capture(viz.wrap_model(module), {"x": x})
    load_extensions()
    (stack,) = viz.capture(viz.wrap_model(module), {"x": x}).stacks.values()
    query, key, _ = module.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
    right = (query @ key.mT / 8**0.5).softmax(-1)[0]
    for head in range(2):
        torch.testing.assert_close(stack.weights(0, head), right[head], atol=1e-6, rtol=0)


def test_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two statistics of the name 'entropy'"):
        STATISTICS.add(dataclasses.replace(STATISTICS["entropy"], unit="bits"))


def test_a_name_that_is_close_is_offered():
    with pytest.raises(viz.LoupeError, match="Did you mean entropy"):
        STATISTICS.find("entrpy")
