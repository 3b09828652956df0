"""Sweep files: YAML in, a SweepSpec out, or every mistake at once with its line."""

from harness.config.folder import on_folder
from harness.config.knobs import searchable, with_values
from harness.config.sweep_file import load_sweep

__all__ = ["load_sweep", "on_folder", "searchable", "with_values"]
