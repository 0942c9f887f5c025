"""What would be predicted after each layer, against the model's own hidden states."""

from __future__ import annotations

import pytest
import torch

import viz
from tests.effects.test_weight_gradients import CAUSAL, ENCODER_DECODER, IDS, built
from viz.effects import logit_lens
from viz.errors import ModelRefusedError

# Where transformers' own hidden states are the stream after each layer, and what follows the last.
FINAL = {
    "multi-head": "transformer.ln_f",
    "grouped queries": "model.norm",
    "sliding window": "model.norm",
    "soft cap, window": "model.norm",
    "sinks, window, experts": "model.norm",
    "rotary on a part": "gpt_neox.final_layer_norm",
    "parallel blocks": "model.norm",
}


@pytest.mark.parametrize("name", FINAL)
def test_each_layer_is_read_as_if_it_were_the_last(name):
    module = built(CAUSAL[name])
    found = logit_lens(viz.wrap_model(module), {"input_ids": IDS}, count=3)
    norm, unembedding = module.get_submodule(FINAL[name]), module.get_output_embeddings()
    seen = []
    layers = norm_inputs(module)
    handles = [one.register_forward_hook(lambda _p, _a, out: seen.append(out)) for one in layers]
    with torch.no_grad():
        hidden = module(IDS, output_hidden_states=True).hidden_states
    for handle in handles:
        handle.remove()
    after = [one[0] if isinstance(one, tuple) else one for one in seen]
    assert len(after) == 2
    for states, ids, chances in zip(
        [hidden[0], *after], found.ids, found.probabilities, strict=True
    ):
        with torch.no_grad():
            expected = torch.softmax(said(module, unembedding(norm(states))[0]), dim=-1)
        torch.testing.assert_close(chances, expected.gather(1, ids), atol=1e-5, rtol=1e-4)
        assert torch.equal(ids[:, 0], expected.argmax(dim=-1))


def said(module, logits):
    """What a model makes of its unembedding's numbers."""
    config = module.config
    cap = getattr(config, "final_logit_softcapping", None)
    logits = logits * getattr(config, "logit_scale", 1.0) / getattr(config, "logits_scaling", 1.0)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def norm_inputs(module):
    """The layers of a decoder, in order."""
    return next(
        list(one)
        for one in module.modules()
        if isinstance(one, torch.nn.ModuleList) and len(one) == 2
    )


@pytest.mark.parametrize("name", CAUSAL)
def test_the_last_is_what_the_model_says(name):
    module = built(CAUSAL[name])
    found = logit_lens(viz.wrap_model(module), {"input_ids": IDS})
    with torch.no_grad():
        best = module(IDS).logits[0].argmax(dim=-1)
    assert found.ids.shape == (3, 13, 5)
    assert torch.equal(found.ids[-1, :, 0], best)
    for position, lead in enumerate(found.leads.tolist()):
        first = found.ids[:, position, 0]
        assert bool((first[lead:] == first[-1]).all())
        assert lead == 0 or first[lead - 1] != first[-1]


def test_of_an_encoder_decoder_the_decoders_layers_are_read():
    module = built(ENCODER_DECODER["relative bias"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    found = logit_lens(viz.wrap_model(module), inputs)
    with torch.no_grad():
        best = module(**inputs).logits[0].argmax(dim=-1)
    assert torch.equal(found.ids[-1, :, 0], best)


def test_a_stream_that_is_normalised_within_is_refused():
    module = built(ENCODER_DECODER["learnt positions"])
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, 3:9]}
    with pytest.raises(ModelRefusedError, match="cannot be divided among its parts"):
        logit_lens(viz.wrap_model(module), inputs)


def test_a_real_model_has_the_capital_in_mind_before_it_says_so():
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    found = logit_lens(model, "The capital of France is")
    paris = model.tokenizer.encode(" Paris")[0]
    assert found.ids[-1, -1, 0] == paris
    # It comes first at the very end alone, and is among the first before.
    assert found.leads[-1] == 30
    assert bool((found.ids[25:30, -1] == paris).any())
    assert not bool((found.ids[:10, -1] == paris).any())
