"""Attention in which channels look at channels, and no token at a token."""

# Said of a layer whose queries and keys are channels of a head.
ACROSS_CHANNELS = "channels look at channels, each over all tokens"
