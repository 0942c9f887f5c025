"""Scores of heads on inputs of their own: random tokens, needles, parameters, the loss."""
