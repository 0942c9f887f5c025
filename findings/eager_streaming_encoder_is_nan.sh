#!/usr/bin/env bash
# Guess, written down before the run: a speech encoder that transformers offers with "sdpa" and with "eager" attention
# returns numbers with both; eager may be slower, and is what one asks for to read the weights.
#
# Seen (transformers 5.23.0, torch 2.13.0, CPU): the encoder of Nemotron's streaming speech recognition, at its default
# configuration with two layers and random weights, returns numbers with sdpa (what it is loaded with) and NaN everywhere
# with eager, for a plain spectrogram, with a mask of ones and without. Its layers negate the mask that they are given,
# which is one of truth values for sdpa and one of zeros and minus infinities for eager. Nothing is raised or warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers as hf

print("transformers", hf.__version__, "torch", torch.__version__)


def finite(way, masked):
    """The share of the output that is numbers."""
    config = hf.AutoConfig.for_model("nemotron_asr_streaming_encoder", num_hidden_layers=2)
    torch.manual_seed(0)
    module = hf.AutoModel.from_config(config, **({"attn_implementation": way} if way else {})).eval()
    heard = torch.randn(1, 400, config.num_mel_bins, generator=torch.Generator().manual_seed(1))
    given = {"attention_mask": torch.ones(1, 400, dtype=torch.long)} if masked else {}
    with torch.no_grad():
        output = module(input_features=heard, **given).last_hidden_state
    return module.config._attn_implementation, float(torch.isfinite(output).float().mean())


for masked in (False, True):
    shares = {way or "as loaded": finite(way, masked) for way in (None, "sdpa", "eager")}
    print(f"mask {'of ones' if masked else 'left out'}: share of numbers in the output: {shares}")
    assert shares["as loaded"] == ("sdpa", 1.0), "what it is loaded with changed"
    assert shares["eager"] == ("eager", 0.0), "eager attention returns numbers now"
PYTHON
