"""Parts of speech and dependency relations that heads follow, as a spaCy pipeline tells them."""
