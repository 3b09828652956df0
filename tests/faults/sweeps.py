"""A small sweep, the command that carries it out, and what it leaves that must not depend on faults."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = [
    "ROOT",
    "RUNS_FAILED",
    "SWEEP",
    "WINNOW",
    "arguments",
    "environment",
    "left",
    "sitecustomize",
    "start",
    "until_done",
]

ROOT = Path(__file__).parents[2]

SWEEP = """
name: toy
question: Does it survive?
datasets: {name: synthetic, queries: 40, documents: 240}
seeds: 2
baseline: naive
defaults:
  base: static
  teacher: bm25
  negatives: 2
  depth: 20
  max_length: 32
  training: {epochs: 3, batch_size: 8}
arms:
  - {name: untrained, training: false}
  - {name: naive, miner: topk}
  - {name: percpos, miner: {name: topk_percpos, share: 0.8}}
search:
  arm: percpos
  trials: 2
  space: {miner.share: {low: 0.5, high: 1.0}}
"""

WINNOW = [sys.executable, "-c", "import sys; from harness.cli import main; sys.exit(main())"]

RUNS_FAILED = 11


def arguments(*more: str, track: bool = False) -> list[str]:
    """Return the command line of the sweep, a checkpoint after every step."""
    tracked = [] if track else ["--no-track"]
    return [*WINNOW, "sweep", "toy.yaml", "--workers", "1", "--checkpoint-minutes", "0", *tracked, *more]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which `folder/sitecustomize.py`, if there is one, is run by every process."""
    return {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "COLUMNS": "80", **more}


def start(folder: Path, *more: str, track: bool = False, **variables: str) -> subprocess.Popen[str]:
    """Start the sweep in `folder`, in a process group of its own; what it prints goes to `folder/output`."""
    (folder / "toy.yaml").write_text(SWEEP)
    with (folder / "output").open("a") as log:
        return subprocess.Popen(
            arguments(*more, track=track),
            cwd=folder,
            stdout=log,
            stderr=log,
            text=True,
            env=environment(folder, **variables),
            start_new_session=True,
        )


def until_done(folder: Path, attempts: int = 3) -> list[int]:
    """Carry the sweep out, again while some of its runs fail; return the exit codes."""
    codes: list[int] = []
    while len(codes) < attempts and codes[-1:] != [0]:
        codes.append(start(folder).wait(240))
    return codes


def sitecustomize(folder: Path, code: str) -> None:
    """Have every process of the sweep in `folder` run `code` when it starts."""
    (folder / "sitecustomize.py").write_text(code)


def left(folder: Path) -> dict[str, bytes]:
    """Return every file below a sweep's folder that must be the same whatever happened: tables first of all.

    Traces are left out: how pairs are met in a training that went on is theirs to say.
    """
    results, reports = folder / "results/toy", folder / "reports/toy"
    patterns = ("runs/*/*.parquet", "queries/*/*", "environment/*", "plan.json", "points.jsonl")
    found = [path for pattern in patterns for path in results.glob(pattern) if path.name != "trace.parquet"]
    found += [path for path in reports.glob("tables/*") if path.stem != "cost"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(found)}
