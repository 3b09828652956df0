"""Training: bases, and the only door to the sentence-transformers trainer."""
