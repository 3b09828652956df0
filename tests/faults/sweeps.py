"""A small sweep, the command that carries it out, and what it leaves that must not depend on faults."""

import subprocess
from pathlib import Path

from winnow_command import ROOT, WINNOW, environment, kept_of

__all__ = [
    "ROOT",
    "SWEEP",
    "WINNOW",
    "arguments",
    "environment",
    "left",
    "sitecustomize",
    "start",
    "until_done",
]

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


def arguments(*more: str, track: bool = False) -> list[str]:
    """Return the command line of the sweep, a checkpoint after every step."""
    tracked = [] if track else ["--no-track"]
    return [*WINNOW, "sweep", "toy.yaml", "--workers", "1", "--checkpoint-minutes", "0", *tracked, *more]


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
    reports = folder / "reports/toy"
    tables = {path: path.read_bytes() for path in reports.glob("tables/*") if path.stem != "cost"}
    kept = kept_of(folder / "results/toy") | tables
    return {path.relative_to(folder).as_posix(): content for path, content in sorted(kept.items())}
