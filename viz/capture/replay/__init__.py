"""Parts of a model run again with other numbers, to see what they weigh."""
