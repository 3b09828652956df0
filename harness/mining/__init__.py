"""Miners: pure functions from a Pool to Negatives. numpy only."""
