"""What a sweep costs beside its trainings: planning, recording, resuming, and handing out work.

    python benchmarks/sweep.py [plan] [overhead] [search] [scaling] [--runs 1000 10000] [--cells 100000] [--mirror]

Trainings are stood in for by runs that only write a record of the usual size, or sleep.
Times are of this machine's disk too: every record is synced. With `--mirror` the MLflow
mirror works beside; how long its end is then waited for is printed too.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

import harness.sweep
from harness.config import load_sweep
from harness.executors.base import unheard
from harness.executors.local import LocalExecutor
from harness.jobs import RunJob
from harness.listeners import Bystander
from harness.record import METRICS, EvaluatedSplit, RunRecord, write_record
from harness.spec import RunSpec, SweepSpec
from harness.store import Store
from harness.sweep import Listener, Settings, carry_out
from harness.teachers.base import Workspace
from harness.tracking import Destination
from harness.tracking.outbox import entries_after, read_position

SWEEP = """
name: cost
question: What does a sweep cost?
datasets: {{name: synthetic, queries: 40, documents: 240}}
seeds: {seeds}
baseline: arm 0
defaults:
  base: static
  teacher: bm25
  negatives: 2
  depth: 20
  training: {{epochs: 1, batch_size: 8}}
arms:
"""
ARM = "  - {{name: arm {0}, miner: {{name: topk_percpos, share: {1:.6f}}}}}\n"
WORKERS = (1, 2, 4, 8)


def sweep_file(folder: Path, runs: int) -> Path:
    """Write a sweep of `runs` runs, a hundred seeds or more to an arm."""
    seeds = min(1000, max(10, runs // 100))
    arms = "".join(ARM.format(number, 0.5 + 0.5 * number / (runs // seeds)) for number in range(runs // seeds))
    path = folder / f"cost-{runs}.yaml"
    path.write_text(SWEEP.format(seeds=seeds) + arms, encoding="utf-8")
    return path


class NoTraining:
    """An executor whose runs write a record of the usual size and do nothing else."""

    def __init__(self, workers: int, store: Path, logs: Path, **place: object) -> None:
        del workers, logs, place
        self._work = Workspace(Store(store))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def carry_out(
        self, jobs: Sequence[Any], progress: object, begun: Callable[[Any], None] = unheard
    ) -> Iterator[tuple[Any, object]]:
        """Carry out what is no run as it is, and record a made-up result for each run."""
        del progress
        for job in jobs:
            begun(job)
            yield job, recorded(job.spec, job.runs) if isinstance(job, RunJob) else job(self._work)


def recorded(spec: RunSpec, runs: Path) -> str:
    """Record a made-up result of 60 queries."""
    rows = [{"split": split, "query_id": str(n), "relevant": 1} for split in ("dev", "test") for n in range(30)]
    frame = pd.DataFrame(rows).assign(**dict.fromkeys(METRICS, 0.5))
    means = {split: dict.fromkeys(METRICS, 0.5) for split in ("dev", "test")}
    evaluated = {split: EvaluatedSplit(collection="synthetic", digest="0" * 64) for split in means}
    record = RunRecord(
        status="finished",
        fingerprint=spec.fingerprint,
        spec=spec,
        metrics=means,
        evaluated=evaluated,
        losses=(1.0,) * 100,
        timings={"train": 0.0},
    )
    write_record(runs, record, frame)
    return "finished"


def plan(cells: int) -> None:
    """Time `winnow plan` as a command, and its largest memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = sweep_file(Path(folder), cells)
        command = [sys.executable, "-c", "import sys; from harness.cli import main; sys.exit(main())"]
        start = time.perf_counter()
        subprocess.run(  # noqa: S603  our own command
            [*command, "plan", str(path), "--results", folder], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"plan: {cells:,} cells in {seconds:.2f} s, {memory:.0f} MiB")


def overhead(runs: int, *, mirror: bool) -> None:
    """Time a sweep without trainings, and then its resume, which finds that nothing is left."""
    with tempfile.TemporaryDirectory() as folder:
        spec = load_sweep(sweep_file(Path(folder), runs))
        first, caught_up = _carried_out(spec, Path(folder), mirror=mirror)
        again, _ = _carried_out(spec, Path(folder), mirror=False)
    print(f"overhead: {runs:,} runs, {1000 * first / runs:.2f} ms a run; resume decides in {again:.2f} s{caught_up}")


def search(points: int, *, mirror: bool) -> None:
    """Time a search without trainings, one run to a point."""
    with tempfile.TemporaryDirectory() as folder:
        path = sweep_file(Path(folder), 10)
        space = "{miner.share: {low: 0.5, high: 1.0}, training.learning_rate: {low: 0.0001, high: 0.01, log: true}}"
        one = path.read_text(encoding="utf-8").replace("baseline: arm 0\n", "").replace("seeds: 10", "seeds: 1")
        path.write_text(f"{one}search: {{arm: arm 0, trials: {points}, space: {space}}}\n", encoding="utf-8")
        seconds, caught_up = _carried_out(load_sweep(path), Path(folder), mirror=mirror)
    print(f"search: {points:,} points, {1000 * seconds / points:.2f} ms a point{caught_up}")


def _carried_out(spec: SweepSpec, folder: Path, *, mirror: bool) -> tuple[float, str]:
    """Return the seconds that a sweep without trainings takes, and what there is to say of its mirror."""
    harness.sweep.LocalExecutor = NoTraining  # type: ignore[misc, assignment]  # in place of processes
    bystander = Bystander(Destination(folder))
    start = time.perf_counter()
    carry_out(spec, Settings(folder, folder / ".store", 1), bystander if mirror else Listener())
    seconds = time.perf_counter() - start
    if not mirror:
        return seconds, ""
    bystander.finish("Made up.", ())
    waited, results = time.perf_counter() - start - seconds, folder / spec.name
    left = sum(1 for _ in entries_after(results, read_position(results, Destination(folder).label)))
    return seconds, f"; the mirror took {waited:.0f} s more, and left {left:,} entries"


@dataclass(frozen=True)
class Nap:
    """A job that sleeps."""

    seconds: float
    threads: int = 1

    def __call__(self, work: Workspace) -> None:
        """Sleep."""
        del work
        time.sleep(self.seconds)


def scaling(jobs: int) -> None:
    """Time jobs that sleep, or do nothing, on one worker and on several that are up already."""
    for seconds in (0.1, 0.0):
        alone = 0.0
        for workers in WORKERS:
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                with LocalExecutor(workers, place / "store", place / "logs") as executor:
                    list(executor.carry_out([Nap(0.5)] * workers, _silent))  # all are up
                    start = time.perf_counter()
                    list(executor.carry_out([Nap(seconds)] * jobs, _silent))
                    taken = time.perf_counter() - start
            alone = alone or taken
            what = f"sleep {seconds} s" if seconds else "no-op"
            print(f"scaling: {what}, {workers} workers, {1000 * taken / jobs:.2f} ms a job, {alone / taken:.2f} times")


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


def main() -> None:
    """Measure what is asked for, by default all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["plan", "overhead", "search", "scaling", []], metavar="PART")
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--points", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--mirror", action="store_true")
    options = parser.parse_args()
    parts = options.parts or ["plan", "overhead", "search", "scaling"]
    if "plan" in parts:
        plan(options.cells)
    if "overhead" in parts:
        for runs in options.runs:
            overhead(runs, mirror=options.mirror)
    if "search" in parts:
        for points in options.points:
            search(points, mirror=options.mirror)
    if "scaling" in parts:
        scaling(options.jobs)


if __name__ == "__main__":
    main()
