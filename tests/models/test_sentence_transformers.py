"""A whole SentenceTransformer, wrapped as it is."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer

import viz
from viz.models.catalogue import find_entry, local_folder

TEXT = "The cat sat on the mat because it was tired."


@pytest.fixture(scope="module")
def sentences():
    return SentenceTransformer(str(local_folder(find_entry("minilm"))), device="cpu").eval()


def test_a_sentence_transformer_reads_texts_by_its_own_tokenizer(sentences):
    trace = viz.capture(viz.wrap_model(sentences), TEXT)
    stack = trace.stacks["self"]
    assert (stack.layers, stack.heads(0)) == (6, 12)
    assert stack.queries.labels[1:3] == ("the", "cat")
    expected = torch.as_tensor(sentences.encode(TEXT))
    assert trace.output.shape == expected.shape
    torch.testing.assert_close(
        torch.nn.functional.normalize(trace.output, dim=0), expected, atol=1e-5, rtol=0
    )
    plain = viz.capture(viz.load_model("minilm"), TEXT).stacks["self"]
    torch.testing.assert_close(stack.weights(3, 5), plain.weights(3, 5), atol=1e-5, rtol=0)


def test_a_text_longer_than_its_sentences_is_refused(sentences):
    limit = sentences.max_seq_length
    with pytest.raises(viz.LoupeError, match=f"SentenceTransformer reads {limit}"):
        viz.capture(viz.wrap_model(sentences), "word " * 600)
