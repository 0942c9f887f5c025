"""Texts of a corpus, cut into windows that a model reads."""
