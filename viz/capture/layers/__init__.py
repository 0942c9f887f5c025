"""What a trace keeps of one layer, by kind."""
