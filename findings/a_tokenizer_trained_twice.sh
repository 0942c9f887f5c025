#!/usr/bin/env bash
# Guess, from memory: training a tokenizer draws nothing at random, so that the same trainer on the same lines gives the
# same vocabulary each time; there is no seed to set.
#
# Seen (tokenizers 0.23.3): within one process, of twenty trainings of WordPiece no two number their tokens alike, and not
# all have the same tokens: pairs that are equally frequent are merged in any order, and of the last of them some are
# left out. A model that was saved with one of them reads other words with the next.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

LINES = ["the cat sat on the mat because it was tired", "a dog and a bird saw the cat run to the door"]
print("tokenizers", tokenizers.__version__)


def trained(vocab_size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer.get_vocab()


found = [trained(1000) for _ in range(20)]
numbers = {tuple(sorted(vocabulary.items())) for vocabulary in found}
words = {tuple(sorted(vocabulary)) for vocabulary in found}
print(f"of 20 trainings on the same lines: {len(numbers)} numberings of {len(words)} sets of tokens")
changed = sorted({token for token in found[0] if len({one.get(token) for one in found}) > 1})
print(f"tokens whose number changes: {len(changed)} of {len(found[0])}, such as {changed[:4]}")
assert len(numbers) > 1, "trainings agree now"
PYTHON
