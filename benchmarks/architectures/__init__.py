"""Every model type of the installed transformers, built tiny and captured; writes docs/architectures.md."""
