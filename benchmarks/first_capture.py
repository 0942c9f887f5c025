"""How many eager passes a first and a second capture take, of models at their own widths with random weights.

`python -m benchmarks.first_capture` (some two minutes on one core); with names only those. Pictures are 224 or
256 pixels wide, texts 1,000 tokens long; an eager pass returns its weights where the model has any to return.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers as hf

import viz

TOKENS = 1_000
WORDS = 1_000
PASSES = 2

Case = tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]


def _picture(side: int) -> Callable[[], dict[str, Any]]:
    return lambda: {"pixel_values": torch.randn(1, 3, side, side)}


def _text() -> dict[str, Any]:
    return {"input_ids": torch.randint(5, WORDS, (1, TOKENS))}


def _pair() -> dict[str, Any]:
    return {**_text(), "decoder_input_ids": torch.ones(1, 4, dtype=torch.long)}


WIDE = {"d_model": 768, "vocab_size": WORDS}
T5 = {**WIDE, "num_layers": 4, "num_decoder_layers": 1, "num_heads": 12, "d_kv": 64, "d_ff": 2_048}
BART = {**WIDE, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 12}
BART |= {"decoder_attention_heads": 12}

CASES: dict[str, Case] = {
    "vit": ("vit", {}, _picture(224)),
    "dinov2": ("dinov2", {}, _picture(224)),
    "mobilevit": ("mobilevit", {}, _picture(256)),
    "swin": ("swin", {}, _picture(224)),
    "swinv2": ("swinv2", {}, _picture(256)),
    "hiera": ("hiera", {}, _picture(224)),
    "longformer": (
        "longformer",
        {
            "num_hidden_layers": 4,
            "vocab_size": WORDS,
            "attention_window": 512,
            "max_position_embeddings": 4_098,
        },
        _text,
    ),
    "led": ("led", {**BART, "attention_window": 512}, _pair),
    "pegasus_x": ("pegasus_x", {**BART, "encoder_ffn_dim": 3_072, "decoder_ffn_dim": 3_072}, _pair),
    "longt5, local": ("longt5", T5, _pair),
    "longt5, transient global": (
        "longt5",
        {**T5, "encoder_attention_type": "transient-global"},
        _pair,
    ),
}


def main() -> None:
    """Time each model in this process, on one thread, and print a line for each and the whole as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}")
    names = parser.parse_args().names or list(CASES)
    hf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    found = {name: _ratios(*CASES[name]) for name in names}
    print(json.dumps(found))


def _ratios(kind: str, sizes: dict[str, Any], inputs: Callable[[], dict[str, Any]]) -> Any:
    torch.manual_seed(0)
    # Models of one configuration would share what it says of their attention.
    one, other = (hf.AutoConfig.for_model(kind, **sizes) for _ in range(2))
    loaded = hf.AutoModel.from_config(one).eval()
    eager = hf.AutoModel.from_config(other, attn_implementation="eager").eval()
    given = inputs()
    with torch.inference_mode():
        # What any model's very first pass takes longer is no matter of captures.
        loaded(**given)
        eager(**given, output_attentions=True)
        whole = _seconds(lambda: eager(**given, output_attentions=True), PASSES)
    model = viz.wrap_model(loaded)
    first = _seconds(lambda: viz.capture(model, given), 1)
    second = _seconds(lambda: viz.capture(model, given), 1)
    ratios = {"first": round(first / whole, 2), "second": round(second / whole, 2)}
    print(
        f"{kind:12} eager {whole:.2f} s, first capture {ratios['first']} x, then {ratios['second']} x"
    )
    return ratios


def _seconds(work: Callable[[], Any], times: int) -> float:
    """Time some work by what the processor spends, whatever else the machine does."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


if __name__ == "__main__":
    main()
