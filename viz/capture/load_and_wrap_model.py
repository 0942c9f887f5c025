"""From a name or a module to a model that is ready to be observed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from viz.capture.tiers.named import Explain, name_attention
from viz.capture.tiers.refusals import refuse_unseen
from viz.capture.tiers.registry import register
from viz.capture.tiers.sample_probe import Probe, probe
from viz.inputs.sample_inputs import sample_inputs
from viz.models.argument_checks import require_module, require_readers
from viz.models.context_length import context_limit, written_limit
from viz.models.loading import Progress, kind_of, read_model
from viz.models.model import Kind, Model
from viz.models.model_facts import fingerprint, reads, takes_pairs
from viz.models.sentence_transformers import SentenceReader, by_name
from viz.models.spread_model import device_of


def load_model(
    name: str | Path,
    *,
    device: str = "auto",
    dtype: str | torch.dtype = "auto",
    revision: str | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a model on its fast kernel, and find out how its attention can be seen.

    Args:
        name: a catalogue name (`demo`, `loupe`, `smollm2`), a Hugging Face id, the address of a model's
            page there, or a folder; a `Path` is always a folder.
        device: `auto` takes CUDA, then MPS, then the CPU; `spread` takes all GPUs, then memory, then disk, by Accelerate's
            `device_map`, for a model that none of them holds alone.
        dtype: `auto` is float32 on CPU and MPS, and the stored dtype on CUDA.
        revision: a branch, tag or commit of a hub model; that of an address, if it names one.
        progress: called with "load" and the share done; may raise to cancel.

    Raises:
        ModelNotFoundError: there is no such model, or it is not on this machine.
        ModelRefusedError: it would need remote code or pickled weights, has no attention that we
            can verify, lacks weights, or is of a kind not shown yet.
        BudgetError: its weights do not fit into memory.
    """
    tell = progress or _silent
    register()
    loaded = read_model(name, device=device, dtype=dtype, revision=revision, tell=tell)
    probed = _probed(loaded.module)
    refuse_unseen(loaded.module, probed, loaded.name)
    tell("load", 1.0)
    return describe(
        loaded.module,
        loaded.tokenizer,
        name=loaded.name,
        revision=loaded.revision,
        kind=kind_of(loaded.module),
        probed=probed,
        processor=loaded.processor,
    )


def wrap_model(
    module: nn.Module,
    tokenizer: Any = None,
    *,
    processor: Any = None,
    attention: Mapping[str, Explain] | None = None,
    name: str | None = None,
) -> Model:
    """Make a model that you have already ready to be observed.

    A transformers model is left as it is; of any other module, `torch.nn.MultiheadAttention` and calls of
    `torch.nn.functional.scaled_dot_product_attention` are seen. It is put into evaluation mode.

    Args:
        module: any `torch.nn.Module`.
        tokenizer: to capture texts.
        processor: to capture images or sounds.
        attention: for parts whose attention is none of those, by name a function
            `function(part, args, kwargs)` of the part and what its forward was given, which returns
            a `viz.Attention`. Names are those of `named_modules`: `blocks.*.attn`, where `*` stays
            between two dots and `**` does not.
        name: what to call it; its class by default.

    Raises:
        ModelRefusedError: it has no attention that we can verify, or is no module, or compiled.
    """
    require_module(module)
    called = name or type(module).__name__
    module, tokenizer = by_name(module, tokenizer)
    require_readers(tokenizer, processor)
    module.eval()
    if attention is not None:
        name_attention(module, attention, called)
    register()
    probed = _probed(module)
    if isinstance(module, PreTrainedModel):
        refuse_unseen(module, probed, called)
    return describe(
        module,
        tokenizer,
        name=called,
        revision=None,
        kind=kind_of(module),
        probed=probed,
        processor=processor,
    )


def describe(
    module: nn.Module,
    tokenizer: Any | None,
    *,
    name: str,
    revision: str | None,
    kind: Kind,
    probed: Probe | None,
    processor: Any | None = None,
) -> Model:
    """Gather what the rest of the house asks about a model; what no probe told is told later."""
    first = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    reads_text = kind != "other" or isinstance(module, SentenceReader)
    return Model(
        name=name,
        revision=revision,
        module=module,
        tokenizer=tokenizer,
        processor=processor,
        device=device_of(module),
        dtype=first.dtype,
        kind=_seen_kind(kind, module, probed) if probed else kind,
        tier=probed.tier if probed else None,
        context_limit=context_limit(module, tokenizer) if reads_text else None,
        written_limit=written_limit(module) if reads_text else None,
        takes_pairs=kind == "seq2seq" or takes_pairs(tokenizer),
        layers=probed.layers if probed else 0,
        heads=probed.heads if probed else 0,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        fingerprint=fingerprint(module, name, revision),
        reads=reads(module, tokenizer),
        plan=probed.plan if probed else None,
        read=probed.read if probed else (),
        written=probed.written if probed else (),
        unshown=probed.unshown if probed else (),
    )


def _seen_kind(kind: Kind, module: nn.Module, probed: Probe) -> Kind:
    """Believe a class's name only where the probe agrees: its logits, and where it may look."""
    vocabulary = getattr(module.config, "vocab_size", None)
    ranks = probed.output.ndim == 3 and probed.output.shape[-1] == vocabulary
    if kind in ("causal", "masked") and (not ranks or (kind == "causal" and probed.looks_ahead)):
        return "encoder"
    return kind


def _probed(module: nn.Module) -> Probe | None:
    """Probe a model of text on a sample; of any other, only its first capture can tell."""
    inputs = sample_inputs(module)
    return None if inputs is None else probe(module, inputs)


def _silent(phase: str, share: float) -> None:
    """Tell nobody."""
