"""Nothing is held that layers x heads x N x N numbers would need."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, torch, viz, transformers as hf
from viz.patterns import largest_edges, overview

torch.manual_seed(0)
N, LAYERS, HEADS = 8192, 2, 4
module = hf.LlamaForCausalLM(hf.LlamaConfig(
    vocab_size=64, hidden_size=64, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
    intermediate_size=64, max_position_embeddings=N, bos_token_id=1, eos_token_id=2))
model = viz.wrap_model(module)
ids = torch.randint(3, 64, (1, N))
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
allowed = 500_000_000
assert 4 * LAYERS * HEADS * N * N > 4 * allowed
resource.setrlimit(resource.RLIMIT_AS, (now + allowed, now + allowed))
trace = viz.capture(model, {"input_ids": ids})
stack = trace.stacks["self"]
statistics, thumbnails = overview(stack)
row = stack.weights(1, 3, rows=[N - 1])
assert largest_edges(stack, 1, 3).keys.shape == (N, 16)
print(stack.layers, round(float(row.sum()), 6), statistics.entropy_nats.shape, thumbnails.values.nbytes)
try:
    torch.zeros(LAYERS, HEADS, N, N)
except RuntimeError:
    print("the whole would not have fitted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits are Linux's")
def test_8192_tokens_fit_where_the_full_tensor_would_not():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("2 1.0")
    assert "the whole would not have fitted" in done.stdout
