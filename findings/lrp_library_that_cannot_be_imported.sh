#!/usr/bin/env bash
# Guess, from memory: a library that patches one architecture at a time can be used for a Llama as long as that
# architecture is there, whatever became of the others.
#
# Seen (lxt 2.1, transformers 5.23.0, torch 2.13.0): `import lxt.efficient` fails, and with it the rules for every
# architecture, because all of them are imported at once and its copy of BERT imports a function that transformers
# no longer has. The Llama classes that it would have patched are there, with the attributes that its patches read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 tabulate==0.10.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps lxt==2.1
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

print("lxt", version("lxt"), "transformers", transformers.__version__, "torch", torch.__version__)
config = LlamaConfig(
    vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
layer = LlamaForCausalLM(config).model.layers[0]
read = {layer.mlp: ("gate_proj", "up_proj", "down_proj", "act_fn"), layer.input_layernorm: ("weight", "variance_epsilon")}
there = all(hasattr(part, name) for part, names in read.items() for name in names)
print("what the patches of Llama read is there:", there)
try:
    import lxt.efficient  # noqa: F401
except ImportError as error:
    print("import lxt.efficient:", type(error).__name__, str(error).split(" (")[0])
    assert "find_pruneable_heads_and_indices" in str(error), "it fails for another reason now"
else:
    raise SystemExit("it can be imported now")
assert there, "Llama has other attributes now"
PYTHON
