"""Weights that were computed elsewhere, read from files, arrays and tuples."""
