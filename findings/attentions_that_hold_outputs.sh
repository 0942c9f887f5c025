#!/usr/bin/env bash
# Guess, written down before the run: with eager attention and `output_attentions=True`, a transformers model either
# returns weights in `attentions`, [batch, head, query, key] a layer with rows that sum to 1, or nothing.
#
# Seen (transformers 5.23.0): the vision towers of Qwen2-VL and Qwen2.5-VL return a tuple of the right length whose
# tensors are [patch, width]: what each attention layer puts out, not what it weighs with. Nothing is raised or warned
# of, and with as many patches as channels the shape alone tells nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers as hf
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl
from transformers.models.qwen2_vl import modeling_qwen2_vl

print("transformers", hf.__version__, "torch", torch.__version__)
two = hf.Qwen2VLConfig().vision_config
two.depth, two.embed_dim, two.hidden_size, two.num_heads = 2, 32, 32, 4
later = hf.Qwen2_5_VLConfig().vision_config
later.depth, later.hidden_size, later.out_hidden_size, later.num_heads = 2, 32, 32, 4
towers = (
    (modeling_qwen2_vl.Qwen2VisionTransformerPretrainedModel, two),
    (modeling_qwen2_5_vl.Qwen2_5_VisionTransformerPretrainedModel, later),
)
for kind, config in towers:
    torch.manual_seed(0)
    tower = kind._from_config(config, attn_implementation="eager").eval()
    seen = []
    for block in tower.blocks:
        block.attn.register_forward_hook(lambda _part, _given, output: seen.append(output))
    given = {"hidden_states": torch.randn(24, 1176), "grid_thw": torch.tensor([[1, 4, 6]])}
    with torch.inference_mode():
        returned = tower(**given, output_attentions=True).attentions
    outputs = [one[0] if isinstance(one, tuple) else one for one in seen]
    same = [torch.equal(a.reshape(-1), b.reshape(-1)) for a, b in zip(returned, outputs, strict=True)]
    print(kind.__name__, [tuple(one.shape) for one in returned], "equal to the layers' outputs:", same)
    assert all(tuple(one.shape) == (24, 32) for one in returned) and all(same), "it changed"
PYTHON
