"""Carry out a search: point after point, from the first to where it ends."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.guarding import GuardedDev
from harness.plan import expand
from harness.record import RunRecord, record_of
from harness.search.budget import refusal, seconds_of
from harness.search.objectives import dev_metric, mean_minimised
from harness.search.points import Listed, Search
from harness.search.pruning import Pruner
from harness.spec import PlannedRun, RunSpec, SearchSpec, SweepSpec
from harness.study_file import Trial
from harness.sweep_files import Point, PointsFile, SearchEnd, read_points, write_search_end

__all__ = ["Searching"]

_log = logging.getLogger(__name__)

Runs = list[tuple[PlannedRun, RunSpec]]

Tried = Callable[[int, Trial], None]
"""Hears of a point that has ended: its number among those asked for, and what the search was told of it."""


class Searching:
    """The search of a sweep; `carry_out` carries runs out and returns how many failed.

    The objective is the dev mean over datasets and seeds, with a guard what that says of
    it, and beside it what is to be minimised. The points asked for are kept in
    `points.jsonl`; where those of an earlier call are the same, what they cost and those
    behind them stay there until the search comes by. With `listed` these points are
    carried out and none is asked for; a budget then ends nothing.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        spec: SearchSpec,
        folder: Path,
        carry_out: Callable[[Runs], int],
        listed: Sequence[Point] | None = None,
    ) -> None:
        template = next(arm for arm in sweep.arms if arm.name == spec.arm)
        self._sweep = sweep
        self._spec = spec
        self._folder = folder
        self._carry_out = carry_out
        self._earlier = read_points(folder)
        self._file = PointsFile(folder)
        self._listed = listed
        self._search = Search(spec, template, self._earlier) if listed is None else Listed(spec, template, listed)
        self._guard = GuardedDev(folder, spec, sweep.metric) if spec.guard is not None else None
        self._pruner = Pruner(folder, spec.prune, sweep.metric) if spec.prune is not None else None
        self._points: list[Point] = []
        self._best: tuple[float, tuple[PlannedRun, ...]] | None = None
        self.failed = 0

    def carry_out(self, tried: Tried | None = None) -> SearchEnd | None:
        """Try one point after another; return why the search ended before its last point, None if it did not.

        `tried` hears of each point that a sampler was asked for, once it has ended.
        """
        end = None
        planned = self._spec.trials if self._listed is None else len(self._listed)
        for number in range(planned):
            asked, values, arm = self._search.ask()
            runs = expand([arm], self._sweep)
            named = tuple(run for run, _ in runs)
            why = self._refusal(named)
            if why:
                end = SearchEnd(tried=number, planned=planned, why=why)
                _log.warning("the search ends after %d of %d points: %s", number, planned, why)
                break
            point = Point(number=asked, values=values, arm=arm, runs=named, origin=self._search.origin)
            self._try(point, runs)
            if tried is not None and (trial := self._search.trial(number)) is not None:
                tried(number, trial.model_copy(update={"arm": arm.name, "runs": self._carried_out()}))
        self._file.cut(len(self._points))
        write_search_end(self._folder, end)
        return end

    def _carried_out(self) -> tuple[str, ...]:
        """Return the fingerprints of those runs of the last point that were not spared by giving it up."""
        last = self._points[-1]
        return tuple(run.fingerprint for run in last.runs[: last.pruned_after or None])

    def _refusal(self, runs: Sequence[PlannedRun]) -> str:
        """Say why a point must not be begun; empty if it may."""
        if self._guard is not None and not self._guard.can_answer(runs):
            return "its guard's budget is used up"
        if self._spec.budget is None or self._listed is not None:
            return ""
        limit = refusal(self._spec.budget, self._points, runs, self._folder)
        return f"the next point would exceed {limit}" if limit else ""

    def _try(self, point: Point, runs: Runs) -> None:
        """Carry out a point and tell the search what came of it."""
        place, earlier = len(self._points), self._kept(point)
        self._file.put(place, point if earlier is None else earlier)
        spent = self._spent(point, earlier)
        pruned_after, seconds = self._runs(runs, self._listed[place].pruned_after if self._listed else 0)
        timed = self._spec.budget is not None and self._spec.budget.hours is not None
        done = {"pruned_after": pruned_after, "seconds": round(spent + seconds, 3) if timed else None}
        self._points.append(point.model_copy(update=done))
        self._file.put(place, self._points[-1])
        if pruned_after:
            self._search.give_up(place)
        else:
            self._search.tell(place, self._objectives(point.runs))

    def _kept(self, point: Point) -> Point | None:
        """Return what an earlier call kept of the same point."""
        place = len(self._points)
        found = self._earlier[place] if place < len(self._earlier) else None
        if found is not None and (found.number, found.arm, found.runs) == (point.number, point.arm, point.runs):
            return found
        self._earlier = []
        self._file.cut(place)
        return None

    def _spent(self, point: Point, earlier: Point | None) -> float:
        """Return the seconds that earlier calls spent on a point; of one that was cut off, those of its runs."""
        if earlier is not None and earlier.seconds is not None:
            return earlier.seconds
        return seconds_of(record_of(self._folder, run) for run in point.runs)

    def _runs(self, runs: Runs, limit: int) -> tuple[int, float]:
        """Carry out the runs of a point; return after how many it was given up, else 0, and the seconds it took.

        A point that may be given up has its runs carried out one after another, a listed
        one as many of them as it had: `limit`, 0 for all.
        """
        if self._pruner is None or self._listed is not None:
            return limit, self._timed(runs[:limit] if limit else runs)
        seconds = 0.0
        for count, one in enumerate(runs, 1):
            seconds += self._timed([one])
            tried = [run for run, _ in runs[:count]]
            if count < len(runs) and self._best is not None and self._pruner.gives_up(tried, self._best[1]):
                return count, seconds
        return 0, seconds

    def _timed(self, runs: Runs) -> float:
        """Carry out runs and return the seconds that it took; none for runs that had all finished."""
        start = time.monotonic()
        new = any(self._finished(run) is None for run, _ in runs)
        self.failed += self._carry_out(runs)
        return time.monotonic() - start if new else 0.0

    def _finished(self, run: PlannedRun) -> RunRecord | None:
        record = record_of(self._folder, run)
        return record if record is not None and record.status == "finished" else None

    def _objectives(self, runs: tuple[PlannedRun, ...]) -> tuple[float, ...] | None:
        """Return what a point is judged by; None unless all of its runs have finished."""
        records = [record for run in runs if (record := self._finished(run)) is not None]
        if len(records) < len(runs):
            return None
        dev = sum(dev_metric(record, self._sweep.metric) for record in records) / len(records)
        if self._guard is not None:
            dev = self._guard.answer(runs)
        if self._best is None or dev > self._best[0]:
            self._best = (dev, runs)
        if self._spec.minimise is None:
            return (dev,)
        return dev, mean_minimised(records, self._spec.minimise)
