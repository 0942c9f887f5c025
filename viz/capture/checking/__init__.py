"""A model run as it was given, captured, and by its own attention: what differs."""
