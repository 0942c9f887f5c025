"""Inputs of the architectures that take something of their own, by model type."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.architectures.fields import (
    Inputs,
    Maker,
    noise,
    patch_count,
    step_count,
    target_count,
    text,
    token_count,
    words,
)
from benchmarks.architectures.special_parts import PARTS
from benchmarks.architectures.special_pictures import PICTURES
from benchmarks.architectures.special_sounds import SOUNDS


def special_inputs(config: Any) -> Inputs | None:
    """Make the inputs of a model type that the general rules do not reach; None for the others."""
    make = MAKERS.get(config.model_type)
    return None if make is None else make(config)


def _canine(config: Any) -> Inputs:
    return text(2 * token_count())


def _fsmt(config: Any) -> Inputs:
    """Ask for no cache: with one, the decoder of FSMT takes its words for the latest alone."""
    return {**text(), "decoder_input_ids": words(target_count()), "use_cache": False}


def _decision_transformer(config: Any) -> Inputs:
    return {
        "states": noise(1, step_count(), config.state_dim),
        "actions": noise(1, step_count(), config.act_dim),
        "rewards": noise(1, step_count(), 1),
        "returns_to_go": noise(1, step_count(), 1),
        "timesteps": torch.arange(step_count())[None],
        "attention_mask": torch.ones(1, step_count(), dtype=torch.long),
    }


def _xmod(config: Any) -> Inputs:
    return {**text(), "lang_ids": torch.tensor([0])}


def _evolla(config: Any) -> Inputs:
    """Give a protein beside the text about it."""
    protein = 5 + torch.arange(patch_count())[None] % 16
    mask = torch.ones_like(protein)
    return {**text(), "protein_input_ids": protein, "protein_attention_mask": mask}


def _rag(config: Any) -> Inputs:
    """Give the documents that a retriever would have found."""
    found = words(2 * token_count(), rows=config.n_docs)
    return {
        **text(),
        "context_input_ids": found,
        "context_attention_mask": torch.ones_like(found),
        "doc_scores": noise(1, config.n_docs),
        "decoder_input_ids": words(target_count()),
    }


def _timesfm(config: Any) -> Inputs:
    past = noise(1, step_count() * config.patch_length)
    padding = torch.zeros_like(past, dtype=torch.long)
    return {"past_values": past, "past_values_padding": padding, "freq": torch.tensor([[0]])}


def _timesfm2_5(config: Any) -> Inputs:
    past = noise(1, step_count() * config.patch_length)
    return {"past_values": past, "past_values_padding": torch.zeros_like(past, dtype=torch.long)}


def _jev(config: Any) -> Inputs:
    return {
        "input_ids": words(),
        "marks": torch.tensor([[8, 16]]),
        "num_options": torch.tensor([[2, 2]]),
        "question_type_ids": torch.tensor([[0, 0]]),
    }


MAKERS: dict[str, Maker] = {
    **PICTURES,
    **SOUNDS,
    **PARTS,
    "EvollaModel": _evolla,
    "canine": _canine,
    "decision_transformer": _decision_transformer,
    "evolla": _evolla,
    "fsmt": _fsmt,
    "jev": _jev,
    "rag": _rag,
    "timesfm": _timesfm,
    "timesfm2_5": _timesfm2_5,
    "xmod": _xmod,
}
