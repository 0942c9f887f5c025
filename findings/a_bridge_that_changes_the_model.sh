#!/usr/bin/env bash
# Guess, from memory: `TransformerBridge.boot_transformers(..., hf_model=model)` puts hooks around a model that one has
# already; the model itself still computes as it was told to, with the attention function that was chosen for it.
#
# Seen (transformer-lens 4.3.0, transformers 5.23.0, torch 2.13.0): the model's own attention parts are replaced by the
# bridge's, and its configuration says eager. A function of one's own in transformers' `AttentionInterface`, called once
# a layer before, is not called any more when the model is run by itself; what it returns differs by rounding alone, so that
# nothing else tells. Memory of a long text grows with its square from then on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 transformer-lens==4.3.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder/model" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
import transformers as hf
from tokenizers import Tokenizer, models
from transformer_lens.model_bridge import TransformerBridge
from transformers.integrations.sdpa_attention import sdpa_attention_forward

print("transformer-lens", version("transformer-lens"), "transformers", hf.__version__, "torch", torch.__version__)
calls = []


def counted(module, *tensors, **options):
    calls.append(module)
    return sdpa_attention_forward(module, *tensors, **options)


hf.AttentionInterface.register("counted", counted)
torch.manual_seed(0)
config = hf.LlamaConfig(
    vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
)
model = hf.LlamaForCausalLM(config).eval()
model.set_attn_implementation("counted")
words = Tokenizer(models.WordLevel({f"t{number}": number for number in range(97)}, unk_token="t0"))
special = {"unk_token": "t0", "bos_token": "t1", "eos_token": "t2", "pad_token": "t0"}
model.save_pretrained(sys.argv[1])
hf.PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(sys.argv[1])
ids = torch.arange(5, 15)[None]


def run():
    calls.clear()
    with torch.no_grad():
        logits = model(ids).logits
    part = type(model.model.layers[0].self_attn).__name__
    print(f"{len(calls)} calls of the chosen function; the attention part is a {part}, {model.config._attn_implementation}")
    return logits, len(calls)


before, called = run()
TransformerBridge.boot_transformers(sys.argv[1], hf_model=model, device="cpu")
after, then = run()
print(f"logits differ by {float((before - after).abs().max()):.0e}")
assert called == 2, "the function is called otherwise now"
assert then == 0, "the model keeps its attention now"
assert torch.allclose(before, after, atol=1e-5)
PYTHON
