"""Batching: which pairs stand in one batch, one file per way of choosing them."""
