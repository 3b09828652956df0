"""Run a published sweep again, or some of its runs, and hold every number against the published one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.errors import ConfigError, DataError
from harness.exchange.differing import Differing, differing
from harness.exchange.expected import FILE, Expected, ExpectedRun, expected_of, read_expected
from harness.plan import expand, fixed_arms
from harness.record import RunRecord, record_of
from harness.seeding import generator
from harness.spec import PlannedRun, RunSpec, SweepPlan, SweepSpec
from harness.sweep_files import read_plan, read_points, read_sweep

__all__ = ["Reproduction", "Task", "checked", "sweep_of", "task_of"]

_NAMED = 5


@dataclass(frozen=True)
class Task:
    """What is to be run again, and what it must give."""

    sweep: SweepSpec
    runs: tuple[tuple[PlannedRun, RunSpec], ...]
    expected: Expected
    planned: int


@dataclass
class Reproduction:
    """How numbers found again compare with the published ones.

    `outside`, `missing` and `means_outside` have a line each; `further` names metrics that
    are measured now and were not then.
    """

    runs: int
    equal: int = 0
    within: int = 0
    outside: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    means: int = 0
    means_outside: list[str] = field(default_factory=list)
    further: set[str] = field(default_factory=set)
    elsewhere: list[Differing] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is missing and every number is near enough."""
        return not (self.outside or self.missing or self.means_outside)


def sweep_of(plan: SweepPlan) -> SweepSpec:
    """Form the sweep again that a plan was made from."""
    baseline = plan.comparisons[0].baseline if plan.comparisons else None
    compared = tuple(dict.fromkeys(item.arm for item in plan.comparisons)) if baseline else None
    shared = {name: getattr(plan, name) for name in SweepSpec.model_fields if name in SweepPlan.model_fields}
    return SweepSpec(**{**shared, "baseline": baseline, "comparisons": compared})


def task_of(published: Path, sample: int | None = None, seed: int = 0) -> Task:
    """Read what a published sweep ran, all or a sample drawn with `seed`; points of a search are run as arms.

    Raises DataError if numbers are missing, if `expected.yaml` is at odds with the records
    beside it, or if data, teachers or bases here are not those that were published.
    """
    sweep, plan, expected = sweep_of(read_plan(published)), read_sweep(published), read_expected(published)
    if (published / "runs").is_dir() and expected_of(published) != expected:
        raise DataError(f"{published / FILE} is not what the records beside it say: write it again with --write")
    absent = [run for run in plan.runs if (run.arm, run.dataset, run.seed) not in {item.key for item in expected.runs}]
    if absent or len(expected.runs) != len(plan.runs):
        raise DataError(
            f"{published / FILE} has {len(expected.runs)} runs, the plan {len(plan.runs)}: {_named(absent)}"
        )
    arms = [*fixed_arms(sweep), *(point.arm for point in read_points(published) if not point.pruned_after)]
    runs = expand(arms, sweep)
    _check_identity(runs, expected, published)
    if sample is not None:
        if not 1 <= sample <= len(runs):
            raise ConfigError(f"--sample must be between 1 and {len(runs)}, the runs of this sweep, got {sample}")
        chosen = generator(seed, "reproduce").choice(len(runs), sample, replace=False)
        runs = [runs[place] for place in sorted(chosen.tolist())]
    return Task(sweep, tuple(runs), expected, len(plan.runs))


def _named(runs: list[PlannedRun]) -> str:
    names = [f"'{run.arm}' on {run.dataset}, seed {run.seed}" for run in runs[:_NAMED]]
    return f"no numbers of {'; '.join(names)}" if names else "some are of no planned run"


def _check_identity(runs: Iterable[tuple[PlannedRun, RunSpec]], expected: Expected, published: Path) -> None:
    """Refuse to begin where a run would not be the published one: its numbers could not be compared."""
    known = {run.key: run.fingerprint for run in expected.runs}
    for run, spec in runs:
        fingerprint = known.get((run.arm, run.dataset, run.seed))
        if fingerprint == run.fingerprint:
            continue
        record = (
            record_of(published, run.model_copy(update={"fingerprint": fingerprint or ""})) if fingerprint else None
        )
        found = differing(record.spec, spec) if record is not None else []
        said = [f"  {item.key}: {item.left} was published, here it is {item.right}" for item in found[:_NAMED]]
        where = f"'{run.arm}' on {run.dataset}, seed {run.seed}"
        raise DataError("\n".join([f"{where} would be another run than the published {fingerprint}:", *said]))


def checked(task: Task, folder: Path) -> Reproduction:
    """Hold the records in `folder` against what is expected."""
    found = Reproduction(len(task.runs))
    expected = {run.key: run for run in task.expected.runs}
    moved: dict[tuple[str, str, str, str], list[float]] = {}
    for run, _ in task.runs:
        wanted, record = expected[run.arm, run.dataset, run.seed], record_of(folder, run)
        if record is None or record.status != "finished":
            why = record.failure.message if record is not None and record.failure else "there is no record of it"
            found.missing.append(f"'{run.arm}' on {run.dataset}, seed {run.seed}: {why}")
            continue
        _check_run(found, wanted, record, task.expected)
        for split, metric, value in _numbers(wanted):
            new = record.metrics.get(split, {}).get(metric)
            if new is not None:
                moved.setdefault((run.arm, run.dataset, split, metric), []).append(new - value)
        found.elsewhere = found.elsewhere or _elsewhere(task.expected, record)
    _check_means(found, moved, task.expected)
    return found


def _numbers(run: ExpectedRun) -> Iterator[tuple[str, str, float]]:
    for split, metrics in run.metrics.items():
        for metric, value in metrics.items():
            yield split, metric, value


def _check_run(found: Reproduction, wanted: ExpectedRun, record: RunRecord, expected: Expected) -> None:
    name = f"'{wanted.arm}' on {wanted.dataset}, seed {wanted.seed}"
    for split, metric, value in _numbers(wanted):
        new = record.metrics.get(split, {}).get(metric)
        allowed = expected.spread[wanted.dataset][split][metric].allowed(trained=wanted.trained)
        if new is None:
            found.missing.append(f"{name}: no {metric} on {split}")
        elif new == value:
            found.equal += 1
        elif abs(new - value) <= allowed:
            found.within += 1
        else:
            line = f"{name}: {split} {metric} is {new:.6f}, published {value:.6f}, allowed {allowed:.6f} apart"
            found.outside.append(line)
    for split, metrics in record.metrics.items():
        found.further |= set(metrics) - set(wanted.metrics.get(split, {}))


def _check_means(found: Reproduction, moved: dict[tuple[str, str, str, str], list[float]], expected: Expected) -> None:
    """Check the mean over seeds of every arm that was run with all of its seeds, two or more."""
    trained = {run.arm: run.trained for run in expected.runs}
    for (arm, dataset, split, metric), differences in moved.items():
        seeds = sum(run.arm == arm and run.dataset == dataset for run in expected.runs)
        if len(differences) < max(seeds, 2):
            continue
        found.means += 1
        mean = float(np.mean(differences))
        allowed = expected.spread[dataset][split][metric].allowed(trained=trained[arm], seeds=seeds)
        if not abs(mean) <= allowed:
            line = f"'{arm}' on {dataset}: the mean {split} {metric} moved by {mean:+.6f}, allowed {allowed:.6f}"
            found.means_outside.append(line)


def _elsewhere(expected: Expected, record: RunRecord) -> list[Differing]:
    """Say how the surroundings differ from the published ones, the commit aside."""
    if expected.environment is None or record.environment is None:
        return []
    aside = {"commit", "dirty", "lock", "diff"}
    return differing(
        *(item.model_dump(mode="json", exclude=aside) for item in (expected.environment, record.environment))
    )
