#!/usr/bin/env bash
# Guess, from memory: `torch.set_num_threads(1)` holds until it is called again; a library that projects points into a
# plane with one job leaves it alone.
#
# Seen (umap-learn 0.5.12, numba 0.68.1, torch 2.13.0): after `UMAP(n_jobs=1).fit_transform` of 60 points torch computes
# with a thread a core again. The fit starts numba's OpenMP layer, which sets the number of threads of the runtime that
# both have in common. Importing umap, or making the object, changes nothing. Needs two cores to be seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 umap-learn==0.5.12 numba==0.68.1 \
    scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os

import numba
import numpy as np
import torch

print("torch", torch.__version__, "numba", numba.__version__, "cores", os.cpu_count())
assert os.cpu_count() > 1, "one core: nothing to be seen"
torch.set_num_threads(1)
from umap import UMAP

points = np.random.default_rng(0).random((60, 8), dtype=np.float32)
method = UMAP(n_neighbors=5, random_state=0, n_jobs=1)
before = torch.get_num_threads()
method.fit_transform(points)
after = torch.get_num_threads()
print("threads of torch: set to 1, with the object made", before, "after its fit", after, "by", numba.threading_layer())
assert before == 1, "making the object changes it now"
assert after > 1, "the fit leaves torch's threads alone now"
PYTHON
