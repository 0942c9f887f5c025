"""How long a text may be, and what a model keeps of longer ones."""

from __future__ import annotations

import re
from typing import Any

from torch import nn
from transformers import PreTrainedModel

# Tokenizers say "no limit" with astronomically large numbers.
NO_LIMIT = 10_000_000

LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")

# Tables of learned places, and words of towers whose places are no tokens of a text.
TABLE = re.compile(r"(^|_)(wpe|pos|position|positions|positional)(_|$)")
ELSEWHERE = re.compile(
    r"relative|rel_pos|distance|vision|visual|image|video|pixel|patch|audio|acoustic|speech"
    r"|grid|(^|[._])(row|col|column|[xyhw])_"
)

# Where a text is written and not read.
WRITTEN = re.compile(r"(^|[._])decoder[._]")

# Rotary positions that grow with the text, however long it gets.
GROWING = "dynamic"


def context_limit(module: nn.Module, tokenizer: Any | None) -> int | None:
    """Return how many tokens a model reads, by how it makes their positions.

    A table of learned positions ends where it ends. Rotary positions go on, and what they are
    stretched to is the limit; those that stretch with the text have none, and neither have biases by
    distance. What a configuration says otherwise counts where nothing in the model tells.
    """
    config = getattr(module, "config", None)
    tables = _tables(module)
    # What an encoder reads may be longer than what its decoder writes (LED).
    read = {path: limit for path, limit in tables.items() if not WRITTEN.search(path)}
    limits: list[int | None] = [*(read or tables).values()]
    if not limits and not _goes_on(module, config):
        limits = [_stretched(config, name) for name in LIMIT_NAMES]
    limits.append(getattr(tokenizer, "model_max_length", None))
    known = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < NO_LIMIT]
    return min(known, default=None)


def written_limit(module: nn.Module) -> int | None:
    """Return how many tokens a decoder writes, by its own table of positions; None where it has none."""
    written = [limit for path, limit in _tables(module).items() if WRITTEN.search(path)]
    return min(written, default=None)


def _tables(module: nn.Module) -> dict[str, int]:
    """How many places each table of learned positions holds."""
    found: dict[str, int] = {}
    of_text = _text_model(module)
    for path, part in module.named_modules():
        name = path.rpartition(".")[2]
        if not (TABLE.search(name) and isinstance(part, nn.Embedding)) or ELSEWHERE.search(path):
            continue
        if of_text and not path.startswith(f"{of_text}."):
            continue
        # RoBERTa's positions start behind the padding index, OPT's and BART's behind two more, so
        # that their tables are longer than their reach.
        offset = part.padding_idx + 1 if part.padding_idx else 0
        own = getattr(part, "offset", None)
        found[path] = part.num_embeddings - (own if isinstance(own, int) else offset)
    return found


def _text_model(module: nn.Module) -> str:
    """Name the part that reads ids where a model has towers of other senses; "" where it has none."""
    config = getattr(module, "config", None)
    towers = [name for name in getattr(config, "__dict__", {}) if name.endswith("_config")]
    if not isinstance(module, PreTrainedModel) or len(towers) < 2:
        return ""
    words = table_of_ids(module)
    path = next((path for path, part in module.named_modules() if part is words), "")
    return path.rpartition(".")[0]


def table_of_ids(module: Any) -> Any | None:
    """Return the embeddings of a model's ids; None where it has none, which some models raise over."""
    try:
        return module.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None


def _goes_on(module: nn.Module, config: Any) -> bool:
    """Whether positions are made for any number of tokens, by rule and not from what was learned."""
    rotary = [str(getattr(part, "rope_type", "")) for part in module.modules()]
    # Distances have a last bucket, and ALiBi's slopes go on.
    relative = any(name.endswith("relative_attention_bias") for name, _ in module.named_modules())
    return (
        any(GROWING in kind for kind in rotary) or relative or bool(getattr(config, "alibi", False))
    )


def _stretched(config: Any, name: str) -> int | None:
    """What a configuration says, times what rotary positions are stretched by."""
    limit = getattr(config, name, None)
    ropes = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    each = [ropes, *ropes.values()] if isinstance(ropes, dict) else []
    if not isinstance(limit, int):
        return None
    for rope in each:
        factor = rope.get("factor") if isinstance(rope, dict) else None
        if isinstance(factor, (int, float)):
            original = rope.get("original_max_position_embeddings") or limit
            limit = max(limit, int(factor * original))
    return limit


def forget_longer_texts(module: nn.Module) -> None:
    """Undo what rotary embeddings of dynamic length keep of a longer text that came before."""
    for part in module.modules():
        if "dynamic" not in str(getattr(part, "rope_type", "")):
            continue
        names = [*vars(part), *(name for name, _ in part.named_buffers(recurse=False))]
        for name in [name for name in names if name.endswith("original_inv_freq")]:
            prefix = name.removesuffix("original_inv_freq")
            frequencies = getattr(part, f"{prefix}inv_freq")
            original = getattr(part, name).to(frequencies.device, copy=True)
            part.register_buffer(f"{prefix}inv_freq", original, persistent=False)
            setattr(part, f"{prefix}max_seq_len_cached", part.original_max_seq_len)
