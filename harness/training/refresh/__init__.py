"""Refresh: whether and when the negatives of a training change, one file per schedule."""
