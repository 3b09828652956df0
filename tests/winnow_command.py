"""The command as a process of its own, and what it leaves in a results folder that depends on the runs alone."""

import os
import sys
from pathlib import Path

__all__ = ["ROOT", "WINNOW", "environment", "kept_of"]

ROOT = Path(__file__).parents[1]

WINNOW = [sys.executable, "-c", "import sys; from harness.cli import main; sys.exit(main())"]


def environment(*folders: Path, **more: str) -> dict[str, str]:
    """Return an environment in which every process finds the harness, and before it what is in `folders`."""
    return {**os.environ, "PYTHONPATH": ":".join(map(str, (*folders, ROOT))), "COLUMNS": "80", **more}


def kept_of(results: Path) -> dict[Path, bytes]:
    """Return every file of a sweep that must be the same whatever happened, and how long it took.

    Traces are left out: how pairs are met in a training that went on is theirs to say.
    """
    patterns = ("runs/*/*.parquet", "queries/*/*", "environment/*", "plan.json", "points.jsonl")
    found = [path for pattern in patterns for path in results.glob(pattern)]
    return {path: path.read_bytes() for path in found if path.name != "trace.parquet"}
