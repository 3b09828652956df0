"""Searches: which points are asked for, what they may cost, and what they are judged by."""
