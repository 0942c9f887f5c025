"""What is added up of every head over texts, in memory that does not grow with them."""
