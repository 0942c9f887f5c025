"""What travels is what was sent, and of what stays only its name."""

from __future__ import annotations

import io
import pickle

import pytest
import torch

import viz
from tests.models.folders import save_decoder
from viz import errors
from viz.patterns import survey
from viz.service.ray.packing import packed, unpacked
from viz.service.ray.references import EffectsReference, HeldResult

HELD = HeldResult("first", "run", "token")


def there_and_back(value, name=lambda _obj: None, find=None):
    return unpacked(packed(value, name), find)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool]
)
def test_tensors_of_every_dtype_arrive_alike(dtype):
    tensor = torch.arange(12).reshape(3, 4).to(dtype)
    assert torch.equal(there_and_back(tensor), tensor)
    assert there_and_back(tensor).dtype == dtype


def test_a_part_of_a_tensor_takes_its_own_numbers_along_and_no_others():
    whole = torch.zeros(1_000_000)
    assert len(packed(whole[5:9], lambda _obj: None)) < 1_000
    assert torch.equal(there_and_back(whole[::250_000]), torch.zeros(4))


def test_empty_tensors_keep_their_shape():
    assert there_and_back(torch.empty(0, 7)).shape == (0, 7)


def test_what_stays_is_named_and_found():
    stays = object()
    reference = EffectsReference(HELD)
    got = there_and_back(
        ("words", stays),
        lambda obj: reference if obj is stays else None,
        lambda found: {reference: "found"}[found],
    )
    assert got == ("words", "found")


def test_of_logits_and_sums_of_rows_only_what_pages_ask_for_travels(tmp_path):
    model = viz.load_model(str(save_decoder(tmp_path / "writes", layers=1, heads=1)), device="cpu")
    trace = viz.capture(model, "the cat " * 520)
    found = survey(trace.stacks["self"])
    assert found.layers[0].totals is not None
    assert there_and_back(found).layers[0].totals is None
    assert there_and_back(trace).output.shape == (len(trace.output), 0)


ERRORS = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, errors.LoupeError)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_arrives_with_all_it_says(kind):
    more = {errors.TextTooLongError: {"tokens": 9, "limit": 5}, errors.DivergedError: {"step": 3}}
    error = kind("It was 9.", "Give 5.", **more.get(kind, {}))
    got = pickle.load(io.BytesIO(pickle.dumps(error)))
    assert type(got) is kind
    assert (str(got), vars(got)) == (str(error), vars(error))
