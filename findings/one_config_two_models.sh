#!/usr/bin/env bash
# Guess, written down before the run: `Model._from_config(config, attn_implementation="eager")` builds a model with eager
# attention and leaves the configuration that it was given alone, so that two models built from one configuration keep
# the choice of each.
#
# Seen (transformers 5.23.0): the choice is written into the configuration, which both models hold, so that the first model
# computes with the attention of the second. A comparison of two ways, timed or numeric, compares one with itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers as hf

print("transformers", hf.__version__, "torch", torch.__version__)
config = hf.LlamaConfig(
    vocab_size=97, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48
)
eager = hf.LlamaModel._from_config(config, attn_implementation="eager").eval()
ids = torch.arange(5, 17)[None]
before = eager(ids, output_attentions=True).attentions
hf.LlamaModel._from_config(config, attn_implementation="sdpa")
after = eager(ids, output_attentions=True).attentions
print("weights of the first model, before and after the second was built:", len(before), len(after or ()))
print("attention that the first model now says it has:", eager.config._attn_implementation)
assert len(before) == 1
assert eager.config._attn_implementation == "sdpa" and not after, "the models no longer share it"
PYTHON
