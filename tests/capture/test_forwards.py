"""What a module's forward takes, and what it raises."""

from __future__ import annotations

import pytest
import transformers as hf

import viz
from tests.capture.modules import Mixed, Plain, X


def test_a_forward_that_raises_midway_is_said_and_the_model_runs_again():
    class Moody(Plain):
        angry = False

        def forward(self, x):
            out = super().forward(x)
            if self.angry:
                raise RuntimeError("no more today")
            return out

    module = Moody().eval()
    model = viz.wrap_model(module)
    module.angry = True
    with pytest.raises(viz.LoupeError, match="failed during its forward pass: no more today"):
        viz.capture(model, {"x": X}, item=0)
    module.angry = False
    assert viz.capture(model, {"x": X}, item=0).stacks["self"].layers == 1


class OwnError(Exception):
    """What only its author knows."""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ZeroDivisionError, "ZeroDivisionError: by hand"),
        (OverflowError, "OverflowError: by hand"),
        (NameError, "NameError: by hand"),
        (LookupError, "LookupError: by hand"),
        (FileNotFoundError, "FileNotFoundError: by hand"),
        (StopIteration, "StopIteration: by hand"),
        (RuntimeError, "by hand"),
        (OwnError, "OwnError: by hand"),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_whatever_a_forward_raises_is_said(kind, said, before):
    class Failing(Plain):
        failing = False

        def forward(self, x):
            if self.failing:
                raise kind("by hand")
            return super().forward(x)

    module = Failing().eval()
    model = viz.wrap_model(module)
    for _ in range(before):
        viz.capture(model, {"x": X}, item=0)
    module.failing = True
    with pytest.raises(viz.LoupeError, match=f"failed during its forward pass: {said}"):
        viz.capture(model, {"x": X}, item=0)
    module.failing = False
    assert viz.capture(model, {"x": X}, item=0).stacks["self"].layers == 1


@pytest.mark.parametrize("kind", [ZeroDivisionError, ValueError, RuntimeError, OwnError])
@pytest.mark.parametrize("phase", ["tokenise", "forward"])
def test_what_progress_raises_is_not_the_models(kind, phase):
    raised = kind("stop")

    def progress(told, share):
        if told == phase and (phase == "tokenise" or share > 0):
            raise raised

    model = viz.wrap_model(Mixed().eval())
    for _ in range(2):
        with pytest.raises(kind) as caught:
            viz.capture(model, {"x": X}, item=0, progress=progress)
        assert caught.value is raised


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        (Plain(), {"foo": X}, "Plain takes no input named foo. Its forward takes x."),
        (Plain(), {"x": X, "foo": X, "y": X}, "takes no input named foo or y. Its forward takes x"),
        (
            hf.Dinov2Model(
                hf.Dinov2Config(
                    hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=28
                )
            ),
            {"foo": X},
            "takes no input named foo. Its forward takes pixel_values",
        ),
    ],
)
def test_an_input_that_a_forward_does_not_take_is_named(module, given, message):
    with pytest.raises(viz.LoupeError, match=message):
        viz.capture(viz.wrap_model(module.eval()), given, item=0)


def test_a_forward_that_takes_any_names_is_given_them():
    class Handing(Plain):
        def forward(self, **batch):
            return super().forward(batch["x"])

    class Choosing(Plain):
        def forward(self, task="x", **batch):
            return super().forward(batch[task])

    for module in (Handing(), Choosing()):
        model = viz.wrap_model(module.eval())
        assert viz.capture(model, {"x": X}, item=0).stacks["self"].layers == 1
