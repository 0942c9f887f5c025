"""What the samples of a picture and a sound open on."""

from __future__ import annotations

import pytest

from components.panels.learn.uses_of_attention import OPENS, SAMPLES
from viz.analysis import opening, opening_stack
from viz.service import FileStore, Request, Workbench


@pytest.mark.parametrize(("model", "file"), [("dinov2", "cat.jpg"), ("whisper", "voice.ogg")])
def test_a_link_to_a_sample_names_what_the_sample_opens_on(model, file, tmp_path):
    bench = Workbench(FileStore(tmp_path / "media", "picture or sound"))
    sample = SAMPLES / file
    media = bench.media.put(sample.read_bytes(), sample.suffix)
    analysis = bench.capture("ann", Request(model, "", media=media), lambda _phase, _share: None)
    stack = opening_stack(analysis.trace.stacks)
    layer, head, query = opening(stack)
    found = {"stack": stack.name, "layer": str(layer), "head": str(head), "token": str(query)}
    assert OPENS[model] == found
    assert layer >= stack.layers - stack.layers // 3
