"""How attention is seen: one file a way of seeing it, and what they share."""
