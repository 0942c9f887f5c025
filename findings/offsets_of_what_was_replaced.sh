#!/usr/bin/env bash
# Guess, from memory: the offsets of a token say which characters of the given text it came from.
# Where a normaliser puts one character in the place of several, its offsets cover all of these.
#
# Seen (tokenizers 0.23.3): after `Replace` they cover the last of them alone. The quotation mark that came of two
# backticks (as ALBERT's and XLNet's tokenizers write them) points at the second, a digit that stands for a number at
# the number's last digit, and characters that were put in for as many others all point at the last of those. What was
# before it belongs to no token. NFC, which joins a letter and its accent, leaves the accent out: there the offsets
# are of the first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

print("tokenizers", tokenizers.__version__)
cases = (
    (normalizers.Replace("``", '"'), "so ``he", '"', "`", 4),
    (normalizers.Replace(Regex("[0-9]+"), "0"), "in 1984", "0", "4", 6),
    (normalizers.Replace("ab", "cd"), "x ab", "c", "b", 3),
    (normalizers.NFC(), "cafe\u0301", "\u00e9", "e", 3),
)
for normaliser, text, token, expected, start in cases:
    tokenizer = Tokenizer(models.WordLevel({"?": 0, token: 1}, unk_token="?"))
    tokenizer.normalizer = normaliser
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    encoding = tokenizer.encode(text)
    first, last = encoding.offsets[encoding.tokens.index(token)]
    print(f"{type(normaliser).__name__}: {text!a} is normalised to {normaliser.normalize_str(text)!a};", end=" ")
    print(f"the token {token!a} has the offsets {first, last}: {text[first:last]!a}")
    assert (first, text[first:last]) == (start, expected), "it changed"
PYTHON
