"""Executors: where runs are carried out."""
