"""Models learn here: examples, the loop, what is kept of it."""
