"""The kernel in half precision against float32; on a GPU, if there is one, against the CPU."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.patterns.layers import CPU, LAYERS, noise, padded, recorded, window
from viz.capture.layers.mask import causal, full
from viz.patterns.kernel_logsumexp import weighted_sums, working_dtype
from viz.patterns.streamed_statistics import row_statistics

NAMES = ("totals", "mass", "entropy", "distance", "first", "current", "previous", "thumbnail")


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_averages_and_not_the_log_sum_exp(dtype, is_causal):
    query, key, value = (noise(3, 200, 32).roll(shift, 1) for shift in range(3))
    query, key, value = (one.to(dtype).float() for one in (query, key, value))
    given = {"scale": 0.2, "is_causal": is_causal}
    (exact,), total = weighted_sums(query, key, [value], **given)
    (half,), half_total = weighted_sums(query.to(dtype), key.to(dtype), [value.to(dtype)], **given)
    assert half.dtype == half_total.dtype == torch.float32
    torch.testing.assert_close(half_total, total, atol=3e-4, rtol=1e-4)
    rounding = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(half, exact, atol=rounding, rtol=rounding)


def test_on_a_cpu_everything_is_computed_in_float32():
    half = noise(2, 8, 4).bfloat16()
    assert working_dtype(half, half) == torch.float32


def moved(layer, device: str, dtype: torch.dtype | None = None):
    """The same layer on another device, in another dtype."""

    def there(value):
        if isinstance(value, torch.Tensor):
            return value.to(device)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [one.name for one in dataclasses.fields(value)]
            return dataclasses.replace(
                value, **{name: there(getattr(value, name)) for name in fields}
            )
        return value

    told = {name: there(getattr(layer, name)) for name in layer.__slots__}
    if dtype is not None:
        told |= {name: told[name].to(dtype) for name in ("query", "key")}
    return type(layer)(**told)


on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@on_gpu
@pytest.mark.parametrize("name", LAYERS)
def test_a_gpu_says_what_the_cpu_says(name):
    layer = LAYERS[name]()
    expected, got = row_statistics(layer), row_statistics(moved(layer, "cuda"))
    for field in NAMES:
        one, other = getattr(expected, field), getattr(got, field)
        if one is not None:
            torch.testing.assert_close(other.cpu(), one, atol=1e-4, rtol=1e-4, msg=field)


@on_gpu
@pytest.mark.parametrize("kind", ["causal", "full", "window", "padded", "odd"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_gpu_in_half_precision_is_within_its_rounding(kind, dtype):
    tokens = 333
    mask = {
        "causal": lambda: causal(tokens, CPU),
        "odd": lambda: causal(tokens, CPU),
        "full": lambda: full(tokens, tokens, CPU),
        "window": lambda: window(tokens, 40),
        "padded": lambda: padded(tokens, 17),
    }[kind]()
    layer = recorded(tokens, tokens, mask, width=20 if kind == "odd" else 64)
    half = moved(layer, "cpu", dtype)
    expected, got = row_statistics(half), row_statistics(moved(half, "cuda"))
    torch.testing.assert_close(got.totals.cpu(), expected.totals, atol=1e-4, rtol=1e-4)
    for field in ("entropy", "first", "current", "previous", "thumbnail"):
        one, other = getattr(expected, field), getattr(got, field)
        torch.testing.assert_close(other.cpu(), one, atol=2e-2, rtol=1e-2, msg=field)
    torch.testing.assert_close(got.distance.cpu(), expected.distance, atol=0.2, rtol=1e-2)


@on_gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_bias_that_grows_with_the_text_is_not_rounded_on_a_gpu(dtype):
    """Of 1,680, the last key's bias here, a half float keeps no fractions."""
    tokens = 2_000
    bias = torch.tensor([0.84, 0.5, 0.25, 0.01])[:, None, None] * torch.arange(tokens)
    half = moved(recorded(tokens, tokens, causal(tokens, CPU), bias=bias), "cpu", dtype)
    expected, got = row_statistics(half), row_statistics(moved(half, "cuda"))
    for field in NAMES:
        one, other = getattr(expected, field), getattr(got, field)
        torch.testing.assert_close(other.cpu(), one, atol=2e-3, rtol=1e-4, msg=field)
