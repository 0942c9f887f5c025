#!/usr/bin/env bash
# Guess, written down before the run: `use_cache=False` saves memory in a forward pass over a whole text, and does not change
# what it computes, because nothing was cached before.
#
# Seen (transformers 5.23.0, torch 2.13.0, CPU): with `position_ids` of two packed texts and no attention mask, a Llama of
# random weights keeps the texts apart only with `use_cache=False`. As it is called by default, the second text looks at
# the first as well: its logits are a third of their size away from those of the same text alone. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers as hf

print("transformers", hf.__version__, "torch", torch.__version__)
torch.manual_seed(0)
config = hf.LlamaConfig(
    vocab_size=97, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
)
model = hf.LlamaForCausalLM(config).eval()
ids = torch.randint(5, 97, (1, 12))
positions = torch.tensor([[*range(5), *range(7)]])
with torch.no_grad():
    cached = model(ids, position_ids=positions).logits[0, 5:]
    plain = model(ids, position_ids=positions, use_cache=False).logits[0, 5:]
    alone = model(ids[:, 5:]).logits[0]


def apart(one, other):
    return float((one - other).norm() / other.norm())


print(f"second text, with the cache, from the same text alone: {apart(cached, alone):.1e}")
print(f"second text, with use_cache=False, from the same text alone: {apart(plain, alone):.1e}")
assert apart(plain, alone) < 1e-4 and apart(cached, alone) > 0.1, "it changed"
PYTHON
