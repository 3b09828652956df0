"""A sweep carried out within the test's own process: quick, and every write can be made to fail."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import yaml

import harness.sweep
from harness.config import load_sweep
from harness.errors import WinnowError
from harness.store import Store
from harness.sweep import Listener, Outcome, Settings, carry_out
from harness.teachers.base import Workspace
from sweeps import SWEEP

__all__ = ["ONE_RUN", "carried_out", "copied", "kept", "sweep_file"]


ONE_RUN = {"seeds": 1, "search": None, "baseline": None, "arms": [{"name": "naive", "miner": "topk"}]}
"""Changes to the small sweep that leave one run of it."""


class Inline:
    """Carries jobs out one after another, here."""

    def __init__(self, workers: int, store: Path, logs: Path, **place: object) -> None:
        self._work = Workspace(Store(store))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def carry_out(self, jobs: Sequence, progress: object, begun: object = None) -> Iterator:
        for job in jobs:
            try:
                yield job, job(self._work)
            except WinnowError as error:
                yield job, error


def sweep_file(folder: Path, **changes: object) -> Path:
    path = folder / "toy.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    content = {**yaml.safe_load(SWEEP), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


def carried_out(
    folder: Path, monkeypatch, minutes: float = 0.0, listener: Listener | None = None, **changes: object
) -> Outcome:
    """Carry the small sweep out in `folder`, a checkpoint after every step by default."""
    monkeypatch.setattr(harness.sweep, "LocalExecutor", Inline)
    settings = Settings(folder / "results", folder / "results/.store", 1, minutes)
    return carry_out(load_sweep(sweep_file(folder, **changes)), settings, listener or Listener())


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def kept(folder: Path) -> dict[str, bytes]:
    """Return every file of the sweep that depends on its spec alone, checksums included."""
    results = folder / "results/toy"
    patterns = ("runs/*/*", "queries/*/*", "environment/*", "plan.json", "points.jsonl")
    found = [path for pattern in patterns for path in results.glob(pattern)]
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in sorted(found)
        # how long a run took is in its record, and so in its checksums
        if path.name not in ("trace.parquet", "record.json", "SHA256SUMS")
    }
