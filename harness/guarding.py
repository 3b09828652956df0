"""The dev score of a search's points, asked through a guard that is kept in the results folder."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DataError, StorageError
from harness.fingerprint import digest
from harness.record import read_per_query, write_text
from harness.seeding import derive_seed
from harness.spec import PlannedRun, SearchSpec, SweepPlan
from harness.stats import Thresholdout

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GuardedDev", "answers_of"]

_FILE = "guard.json"


class GuardedDev:
    """Answers what points of a search score on dev, each once; `guard.json` remembers.

    Whether a dev query is free or guarded hangs on the hash of its id, so that it is the
    same for every point. A point's values are means over its runs of the means over queries.
    """

    def __init__(self, folder: Path, search: SearchSpec, metric: str) -> None:
        if search.guard is None:
            message = "a search without a guard has nothing to ask"
            raise ValueError(message)
        self._folder = folder
        self._metric = metric
        self._settings = {**search.guard.model_dump(mode="json"), "seed": search.seed, "metric": metric}
        kept = _read(folder)
        if kept is None:
            self._answers: dict[str, float] = {}
            seed = derive_seed(search.seed, "guard")
            self._guard = Thresholdout(**search.guard.model_dump(), seed=seed)
        elif kept["settings"] != self._settings:
            message = (
                f"{folder / _FILE} was begun with {kept['settings']}, the sweep now says {self._settings}: "
                "go back, or give the sweep another name"
            )
            raise StorageError(message)
        else:
            self._answers = kept["answers"]
            self._guard = Thresholdout.restored(kept["guard"])

    def can_answer(self, runs: Iterable[PlannedRun]) -> bool:
        """Tell whether these runs were asked about before, or may be now."""
        return _key(runs) in self._answers or self._guard.budget > 0

    def answer(self, runs: Iterable[PlannedRun]) -> float:
        """Return what the guard says of finished runs; a repeated question neither costs nor changes anything.

        Raises ConfigError once the budget is used up, DataError where a half has no queries.
        """
        runs = tuple(runs)
        key = _key(runs)
        if key not in self._answers:
            halves = np.array([self._halves(run) for run in runs]).mean(axis=0)
            self._answers[key] = self._guard.ask(float(halves[0]), float(halves[1]))
            content = {"settings": self._settings, "answers": self._answers, "guard": self._guard.state()}
            write_text(self._folder / _FILE, json.dumps(content, indent=1) + "\n")
        return self._answers[key]

    def _halves(self, run: PlannedRun) -> tuple[float, float]:
        """Return the mean of the metric over a run's free and guarded dev queries."""
        frame = read_per_query(self._folder / "runs" / run.fingerprint)
        dev = frame[frame["split"] == "dev"].set_index("query_id")[self._metric]
        guarded = np.array([_is_guarded(str(query)) for query in dev.index], dtype=bool)
        if guarded.all() or not guarded.any():
            message = (
                f"a guard halves the dev queries, but {run.dataset} has {len(dev)}, {guarded.sum()} of them guarded"
            )
            raise DataError(message)
        return _mean(dev[~guarded]), _mean(dev[guarded])


def answers_of(folder: Path, plan: SweepPlan) -> dict[str, float]:
    """Return what the guard of a sweep has said, by arm; nothing where there is no guard."""
    if plan.search is None or plan.search.guard is None or (kept := _read(folder)) is None:
        return {}
    keys = {arm.name: _key(run for run in plan.runs if run.arm == arm.name) for arm in plan.arms}
    return {name: kept["answers"][key] for name, key in keys.items() if key in kept["answers"]}


def _mean(values: "pd.Series") -> float:
    return float(values.mean())


def _is_guarded(query: str) -> bool:
    return hashlib.sha256(f"guard\x1f{query}".encode()).digest()[0] % 2 == 1


def _key(runs: Iterable[PlannedRun]) -> str:
    """Return a digest of what was run: its fingerprints, in any order."""
    return digest(sorted(run.fingerprint for run in runs), 16)


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Thresholdout.restored(kept["guard"])
        if not isinstance(kept["answers"], dict) or not isinstance(kept["settings"], dict):
            message = "answers and settings must be mappings"
            raise TypeError(message)  # noqa: TRY301
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} does not hold a guard: {error}"
        raise StorageError(message) from error
    return kept
