"""Texts that differ in the word by which "it" is the animal or the street."""

from __future__ import annotations

TIRED = "The animal didn't cross the street because it was too tired."
WIDE = "The animal didn't cross the street because it was too wide."
