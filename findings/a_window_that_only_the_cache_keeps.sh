#!/usr/bin/env bash
# Guess, from memory: a causal language model computes the same for a text in one pass and token by
# token with its cache, and its `sliding_window` says in both how many keys a token looks at.
#
# Seen (transformers 5.23.0, torch 2.13.0, CPU): Moshi looks at the whole text in one pass and at the window alone
# when its cache is handed on, so that once a text is longer than the window, its logits are a fifth of their size
# apart. Mistral of the same size keeps the window in both, and they agree. No warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers as hf

print("transformers", hf.__version__, "torch", torch.__version__)
size = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128,
    "sliding_window": 8,
}


@torch.no_grad()
def examined(kind, config):
    """Keys that the last token looks at, in one pass and with the cache, and how far the logits are apart."""
    torch.manual_seed(0)
    model = kind._from_config(config, attn_implementation="eager").eval()
    ids = torch.randint(5, 97, (1, 24), generator=torch.Generator().manual_seed(1))
    whole = model(ids, output_attentions=True)
    step, logits = model(ids[:, :1]), []
    for place in range(1, 24):
        given = {"past_key_values": step.past_key_values, "output_attentions": True}
        step = model(ids[:, place : place + 1], **given)
        logits.append(step.logits)
    seen = [int((one.attentions[0][0, 0, -1] > 0).sum()) for one in (whole, step)]
    stepped, plain = torch.cat(logits, dim=1), whole.logits[:, 1:]

    def apart(part):
        return float((stepped[:, part] - plain[:, part]).norm() / plain[:, part].norm())

    return seen, apart(slice(0, 7)), apart(slice(7, None))


for kind, config in (
    (hf.MoshiForCausalLM, hf.MoshiConfig(**size, ffn_dim=48)),
    (hf.MistralForCausalLM, hf.MistralConfig(**size, intermediate_size=48)),
):
    (once, cached), within, beyond = examined(kind, config)
    print(f"{kind.__name__}, window of 8: keys of the 24th token in one pass {once}, with the cache {cached};", end=" ")
    print(f"logits apart within the window {within:.1e}, beyond it {beyond:.1e}")
    assert within < 1e-4 and cached == 8, "it changed within the window"
    if kind is hf.MoshiForCausalLM:
        assert once == 24 and beyond > 0.1, "Moshi changed"
    else:
        assert once == 8 and beyond < 1e-4, "Mistral changed"
PYTHON
