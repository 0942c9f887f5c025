#!/usr/bin/env bash
# Guess, from memory: a LoRA adapter that PEFT puts on the linear layers of PyTorch's own
# `nn.TransformerEncoder` takes part in every forward pass; with a dropout of 0, `eval()` changes nothing.
#
# Seen (torch 2.13.0, peft 0.21.2, transformers 5.23.0, CPU): the adapter works in training mode, is left out in
# evaluation mode, and is back once it is merged. In evaluation mode an encoder layer reads `linear1.weight` itself
# and calls one fused function; PEFT's layer answers with the weight below the adapter. The fused path is meant for
# passes without gradients, but it is taken with gradients on as well, because the frozen weights want none. No
# warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import peft
import torch
from torch import nn

print("torch", torch.__version__, "peft", version("peft"))


def encoder():
    torch.manual_seed(0)
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True), 2)


@torch.no_grad()
def apart(one, other):
    return float((one - other).norm() / other.norm())


x = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
plain = encoder().train()(x)
adapter = peft.LoraConfig(target_modules=["linear1", "linear2"], r=2, init_lora_weights=False)
model = peft.get_peft_model(encoder(), adapter)
shares = {
    "training": apart(model.train()(x), plain),
    "evaluation": apart(model.eval()(x), plain),
    "merged, evaluation": apart(model.merge_and_unload().eval()(x), plain),
}
for mode, share in shares.items():
    print(f"{mode}: what the adapter changes, as a share of the output: {share:.1e}")
assert shares["training"] > 0.1 and shares["merged, evaluation"] > 0.1, "the adapter does nothing at all"
assert shares["evaluation"] < 1e-5, "the adapter takes part in evaluation mode now"
PYTHON
