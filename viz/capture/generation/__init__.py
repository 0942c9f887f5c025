"""A text as a model writes it: one row of weights a token."""
