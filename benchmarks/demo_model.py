"""What the demo model is worth: its loss on unseen text beside bigrams, and the scores of its heads.

Goals: previous-token score at least 0.8 and induction score at least 0.6 on some head, and a loss below
that of bigrams. The head's uniform baseline stands beside its score.

    python -m benchmarks.demo_model [folder or name; loupe by default]
"""

from __future__ import annotations

import sys

import viz
from viz.analysis import HeadScores
from viz.training.demo import NAME, corpus, measured

# From which on a head is named in the table.
NAMED = 0.3


def main() -> None:
    """Print the figures."""
    model = viz.load_model(sys.argv[1] if len(sys.argv) > 1 else NAME)
    told = measured(model, corpus(model.tokenizer))
    print(f"loss on unseen text {told.loss:.3f} nats a piece, bigrams {told.bigram_loss:.3f}")
    print(f"it would have said {told.accuracy:.1%} of the pieces")
    show("previous token, on unseen text", told.heads.previous)
    show("induction, on random pieces that come twice", told.heads.induction)
    show("induction, on unseen text that comes twice", told.heads.induction_text)
    print(f"of random pieces that come the second time it says {told.heads.copied:.1%} right")


def show(kind: str, scores: HeadScores) -> None:
    """Print the heads that do something, and the best in any case."""
    frame = scores.as_frame()
    for row in frame[(frame["score"] >= NAMED) | (frame.index == 0)].itertuples():
        print(
            f"{kind}: layer {row.layer} head {row.head} scores {row.score:.3f}, "
            f"uniform {row.uniform:.3f}"
        )


if __name__ == "__main__":
    main()
