"""Windows of a corpus measured by Ray, on one machine or many."""
