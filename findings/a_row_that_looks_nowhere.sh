#!/usr/bin/env bash
# Guess, from memory: what `nn.MultiheadAttention` puts out for a query that may look at no key is one
# thing (NaN, as of a softmax over nothing), whether weights are asked for or not and whether gradients are on or not.
#
# Seen (torch 2.13.0, CPU): NaN with `need_weights=True`. With `need_weights=False` it is the bias of the output (0
# here) while gradients are on, and NaN again under `no_grad` in evaluation mode, where another fused path is taken.
# So a mask that trains without a NaN gives one as soon as the model is evaluated, or its weights are looked at.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch import nn

print("torch", torch.__version__)
torch.manual_seed(0)
attention = nn.MultiheadAttention(16, 2, batch_first=True).eval()
x = torch.randn(1, 6, 16)
forbidden = torch.zeros(6, 6, dtype=torch.bool)
forbidden[2] = True
found = {}
for gradients in (True, False):
    for need_weights in (True, False):
        with torch.set_grad_enabled(gradients):
            output, weights = attention(x, x, x, attn_mask=forbidden, need_weights=need_weights)
        row = output[0, 2].detach()
        found[gradients, need_weights] = "NaN" if row.isnan().all() else f"{float(row.abs().max()):.1f}"
        print(f"gradients {gradients!s:5} need_weights {need_weights!s:5} row that looks nowhere: {found[gradients, need_weights]}")
        assert not output[0, [0, 1, 3, 4, 5]].isnan().any(), "another row is NaN"
expected = {(True, True): "NaN", (True, False): "0.0", (False, True): "NaN", (False, False): "NaN"}
assert found == expected, "it changed"
PYTHON
