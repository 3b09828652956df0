"""Evaluation: exact rankings and metrics per query."""
