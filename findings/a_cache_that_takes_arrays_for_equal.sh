#!/usr/bin/env bash
# Guess, written down before the run: a function under `st.cache_data` is run again when its argument is another
# array; whoever changes one number of a matrix of weights gets the answer for the changed matrix.
#
# Seen (streamlit 1.67.0, numpy 2.4.6): from half a million numbers on, an array is known by a sample of a hundred
# thousand of them, always at the same places. Of twenty matrices of 1,024 x 1,024 that hold a single 1, each
# elsewhere, most are taken for one that came before, whose answer is handed out; at 512 x 512 none is. Nothing is
# said when it happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check streamlit==1.67.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import logging

import numpy as np
import streamlit as st

logging.disable(logging.WARNING)
print("streamlit", st.__version__, "numpy", np.__version__)


@st.cache_data(show_spinner=False)
def place_of_the_one(weights):
    return int(weights.argmax())


for side in (512, 1024):
    right = 0
    for number in range(20):
        weights = np.zeros((side, side), dtype=np.float32)
        weights[number, 7 * number] = 1
        right += place_of_the_one(weights) == weights.argmax()
    print(f"{side} x {side}: {right} of 20 answers are right")
    assert right == 20 if side == 512 else right < 10, "it changed"
PYTHON
