"""Where the units of a layer stand, proven by passes over codes."""
