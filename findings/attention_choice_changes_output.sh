#!/usr/bin/env bash
# Guess, written down before the run: `set_attn_implementation` chooses how a model computes, and not what. Fused
# ("sdpa") and eager attention agree to some 1e-6 on the same weights and input.
#
# Seen (transformers 5.23.0, torch 2.13.0, CPU): an AIMv2 text model of random weights gives outputs that are a quarter of
# their size apart, on an ordinary text with a full mask, and no warning; a CLIP text model of the same size agrees. So a
# tool that switches a model to eager attention to read its weights shows those of another computation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers as hf

print("transformers", hf.__version__, "torch", torch.__version__)
size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def apart(module):
    module = module.eval()
    ids = torch.randint(5, 97, (1, 24), generator=torch.Generator().manual_seed(1))
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    outputs = []
    for way in ("sdpa", "eager"):
        module.set_attn_implementation(way)
        with torch.no_grad():
            outputs.append(module(**given).last_hidden_state)
    return float((outputs[0] - outputs[1]).norm() / outputs[1].norm())


torch.manual_seed(0)
aimv2 = apart(hf.Aimv2TextModel(hf.Aimv2TextConfig(**size, vocab_size=97, eos_token_id=2)))
clip = apart(hf.CLIPTextModel(hf.CLIPTextConfig(**size, vocab_size=97, eos_token_id=2)))
print(f"share of the output's size by which sdpa and eager differ: AIMv2 {aimv2:.2f}, CLIP {clip:.1e}")
assert clip < 1e-4, "CLIP changed"
assert aimv2 > 0.1, "AIMv2 changed: both ways agree now"
PYTHON
