"""`expected.yaml`: the numbers that a published sweep must give again, and how far each may move."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from harness.errors import DataError
from harness.record import Environment, RunRecord, read_per_query, read_record, write_text
from harness.spec import PlannedRun, Spec
from harness.sweep_files import read_sweep

__all__ = [
    "FACTOR",
    "FILE",
    "RULE",
    "Expected",
    "ExpectedRun",
    "Spread",
    "expected_of",
    "read_expected",
    "write_expected",
]

FILE = "expected.yaml"

FACTOR = 3.0 * math.sqrt(2.0)
"""A difference between two draws with one standard deviation has sqrt(2) times that; three of them are rare."""

RULE = "max(3 * sqrt(2) * sd over seeds, 1 / queries)"
"""How far a number of one run may move, in words; of a mean over n seeds: with sd / sqrt(n)."""

_HEAD = """# The numbers that `winnow reproduce` must find again, written by `winnow reproduce --write`.
# tolerance = max(3 * sqrt(2) * seed_sd, 1 / queries): three standard deviations of the
# difference between two draws of the seed, but at least one query that turns over. seed_sd is
# pooled over the trained arms of a dataset; arms that are not trained may move by 1 / queries.
"""

Metrics = dict[str, dict[str, float]]


class ExpectedRun(Spec):
    """What one run must give: split to metric to mean over queries."""

    arm: str
    dataset: str
    seed: int
    trained: bool
    fingerprint: str
    metrics: Metrics

    @property
    def key(self) -> tuple[str, str, int]:
        """What names a run in its sweep."""
        return self.arm, self.dataset, self.seed


class Spread(Spec):
    """How far a metric on one split of a dataset varies over seeds, and so may move.

    `seed_sd` is the standard deviation within arms, pooled over the trained arms; None
    where no trained arm has two seeds.
    """

    queries: Annotated[int, Field(ge=1)]
    seed_sd: float | None
    tolerance: float

    def allowed(self, *, trained: bool, seeds: int = 1) -> float:
        """Return how far the mean over `seeds` runs may move."""
        return tolerance(self.seed_sd if trained else None, self.queries, seeds)


class Expected(Spec):
    """All of `expected.yaml`; `spread` maps dataset to split to metric."""

    sweep: str
    plan: str
    environment: Environment | None
    spread: dict[str, dict[str, dict[str, Spread]]]
    runs: tuple[ExpectedRun, ...]


def tolerance(seed_sd: float | None, queries: int, seeds: int = 1) -> float:
    """Apply `RULE` to a mean over `seeds` runs."""
    return max(FACTOR * (seed_sd or 0.0) / math.sqrt(seeds), 1.0 / queries)


def expected_of(results: Path) -> Expected:
    """Take the numbers from the records of a sweep; raise DataError unless every planned run has finished."""
    plan = read_sweep(results)
    searched = plan.search.arm if plan.search else None
    trained = {arm.name: arm.training is not None for arm in plan.arms if arm.name != searched}
    pairs = [(run, _finished(results, run)) for run in plan.runs]
    runs = tuple(
        ExpectedRun(
            arm=run.arm,
            dataset=run.dataset,
            seed=run.seed,
            trained=trained[run.arm],
            fingerprint=run.fingerprint,
            metrics=record.metrics,
        )
        for run, record in pairs
    )
    return Expected(
        sweep=plan.name,
        plan=plan.hash,
        environment=pairs[0][1].environment,
        spread=_spreads(runs, results),
        runs=runs,
    )


def _finished(results: Path, run: PlannedRun) -> RunRecord:
    folder = results / "runs" / run.fingerprint
    record = read_record(folder) if (folder / "record.json").exists() else None
    if record is None or record.status != "finished":
        raise DataError(
            f"'{run.arm}' on {run.dataset}, seed {run.seed} has not finished: nothing can be expected of it"
        )
    return record


def _spreads(runs: Iterable[ExpectedRun], results: Path) -> dict[str, dict[str, dict[str, Spread]]]:
    by_dataset: dict[str, list[ExpectedRun]] = {}
    for run in runs:
        by_dataset.setdefault(run.dataset, []).append(run)
    found: dict[str, dict[str, dict[str, Spread]]] = {}
    for dataset, members in by_dataset.items():
        counts = read_per_query(results / "runs" / members[0].fingerprint)["split"].value_counts()
        for split, metric in _measured(members):
            queries, spread = int(counts[split]), _pooled(members, split, metric)
            entry = Spread(queries=queries, seed_sd=spread, tolerance=tolerance(spread, queries))
            found.setdefault(dataset, {}).setdefault(split, {})[metric] = entry
    return found


def _measured(runs: Iterable[ExpectedRun]) -> Iterator[tuple[str, str]]:
    """Yield each split and metric that any run has, sorted."""
    yield from sorted({(split, metric) for run in runs for split, values in run.metrics.items() for metric in values})


def _pooled(runs: Iterable[ExpectedRun], split: str, metric: str) -> float | None:
    """Return the standard deviation over seeds within trained arms; None without a degree of freedom."""
    values: dict[str, list[float]] = {}
    for run in runs:
        if run.trained and metric in run.metrics.get(split, {}):
            values.setdefault(run.arm, []).append(run.metrics[split][metric])
    squares = sum(float(np.sum((np.array(arm) - np.mean(arm)) ** 2)) for arm in values.values())
    freedom = sum(len(arm) - 1 for arm in values.values())
    return math.sqrt(squares / freedom) if freedom else None


def write_expected(results: Path) -> Path:
    """Write `expected.yaml` into the results folder of a finished sweep."""
    import yaml

    content = expected_of(results).model_dump(mode="json")
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
    return write_text(results / FILE, _HEAD + body)


def read_expected(results: Path) -> Expected:
    """Read `expected.yaml` of a published sweep; raise DataError if it is missing, malformed or repeats a run."""
    import yaml

    path = results / FILE
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        # through JSON text: strict validation takes lists for tuples there alone
        import json

        found = Expected.model_validate_json(json.dumps(content))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: `winnow reproduce --write {results}` makes it from records") from error
    except (yaml.YAMLError, ValidationError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is malformed: {str(error).splitlines()[0]}") from error
    if len({run.key for run in found.runs}) < len(found.runs):
        raise DataError(f"{path} has two entries for one run")
    return found
