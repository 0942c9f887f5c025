"""Slow, plain versions to hold the fast ones against."""
