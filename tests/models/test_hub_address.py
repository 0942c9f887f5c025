"""Addresses of model pages, as they are copied from a browser, and what is no such address."""

from __future__ import annotations

import pytest

import viz
from viz.errors import ModelNotFoundError
from viz.models.hub_address import is_address, read_address
from viz.service import Request
from viz.service.run_request import source_of

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://huggingface.co/owner/name", ("owner/name", None)),
        ("https://huggingface.co/owner/name/", ("owner/name", None)),
        ("http://huggingface.co/owner/name", ("owner/name", None)),
        ("HTTPS://HuggingFace.co/Owner/Name", ("Owner/Name", None)),
        ("https://www.huggingface.co/owner/name", ("owner/name", None)),
        ("https://hf.co/owner/name", ("owner/name", None)),
        ("hf.co/owner/name", ("owner/name", None)),
        ("huggingface.co/owner/name/tree/main", ("owner/name", None)),
        ("  https://huggingface.co/owner/name/tree/main/  ", ("owner/name", None)),
        ("https://huggingface.co/owner/name/tree/v1.0", ("owner/name", "v1.0")),
        (f"https://huggingface.co/owner/name/commit/{SHA}", ("owner/name", SHA)),
        ("https://huggingface.co/owner/name/blob/dev/config.json", ("owner/name", "dev")),
        ("https://huggingface.co/owner/name/resolve/main/a/b.json", ("owner/name", None)),
        ("https://huggingface.co/owner/name/tree/refs%2Fpr%2F3", ("owner/name", "refs/pr/3")),
        ("https://huggingface.co/owner/name/tree/refs/pr/3/sub", ("owner/name", "refs/pr/3")),
        ("https://huggingface.co/owner/name/discussions/5", ("owner/name", None)),
        ("https://huggingface.co/owner/name?library=transformers#how", ("owner/name", None)),
        ("https://huggingface.co/owner/name.git", ("owner/name", None)),
        ("git@hf.co:owner/name", ("owner/name", None)),
        ("https://user:key@huggingface.co/owner/name", ("owner/name", None)),
        ("https://huggingface.co/api/models/owner/name", ("owner/name", None)),
        ("hf://owner/name@v2", ("owner/name", "v2")),
        ("https://huggingface.co/gpt2", ("gpt2", None)),
        ("https://huggingface.co/gpt2/tree/main", ("gpt2", None)),
        # No addresses.
        ("owner/name", ("owner/name", None)),
        ("demo", ("demo", None)),
        ("/models/huggingface.co/owner", ("/models/huggingface.co/owner", None)),
        ("models/mine", ("models/mine", None)),
    ],
)
def test_an_address_says_which_model_and_which_revision(address, expected):
    assert read_address(address) == expected
    assert is_address(address) == (expected[0] != address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://huggingface.co/datasets/owner/name", "is the address of a data set"),
        ("https://huggingface.co/spaces/owner/name", "is the address of a space"),
        ("https://huggingface.co/", "is no address of a model's page"),
        ("https://example.com/owner/name", "is no address on Hugging Face"),
    ],
)
def test_an_address_of_something_else_is_said_to_be_one(address, said):
    for name in (address, f"hub:{address}"):
        with pytest.raises(ModelNotFoundError, match=said):
            viz.load_model(name)


def test_two_revisions_are_one_too_many():
    address = "https://huggingface.co/owner/name/tree/v1"
    assert read_address(address, "v1") == ("owner/name", "v1")
    with pytest.raises(ModelNotFoundError, match="names the revision 'v1', and 'v2' was asked for"):
        read_address(address, "v2")


def test_a_hub_of_ones_own_has_addresses_too(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8080")
    assert read_address("http://127.0.0.1:8080/owner/name/tree/v1") == ("owner/name", "v1")


@pytest.mark.parametrize("local", [False, True])
def test_an_address_is_no_folder_on_the_page(local):
    address = "https://huggingface.co/owner/name/tree/main"
    assert source_of(Request(address, "text", local=local)) == f"hub:{address}"
