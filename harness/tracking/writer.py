"""Sends an outbox to MLflow, from its beginning if need be: whatever is there already changes nothing."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from harness.spec import PlannedRun
from harness.sweep_files import read_sweep
from harness.tracking.destination import DATABASE, Destination
from harness.tracking.mirror import Figure, Mirror, Summary, one_line, result_of
from harness.tracking.outbox import Entry, entries_after, read_position, write_position

__all__ = ["LOCK", "PATIENCE", "CatchesUp", "Writer", "follow"]

LOCK = "outbox.lock"
"""Held by whoever sends an outbox: two writers would make each run twice."""

PATIENCE = 10.0
"""Seconds that a writer goes on without success once its sweep has ended."""

_POLL = 0.5
_LONGEST_PAUSE = 30.0

_log = logging.getLogger(__name__)


class Writer:
    """Sends what the outbox of `results` holds; after an error the next call begins anew.

    An error leaves open what got through, so the next attempt asks the store. `sent`
    counts entries, and so shows whether there is progress.
    """

    def __init__(self, results: Path, destination: Destination, *, figure: Figure | None = None) -> None:
        self.sent = 0
        self._results = results
        self._destination = destination
        self._figure = figure
        self._mirror: Mirror | None = None
        self._runs: dict[str, list[PlannedRun]] = {}
        self._read = 0
        self._doubtful = False

    def catch_up(self) -> None:
        """Send all that is new; raise whatever MLflow or the results raise.

        After an error everything is looked at once more when all has been sent, for a
        request that was given up may have been carried out.
        """
        self._attempt()
        if self._doubtful:
            self._mirror = None
            self._attempt()
            self._doubtful = False

    def end(self) -> None:
        """Mark a sweep that has neither ended nor been interrupted as killed."""
        if self._mirror is not None:
            self._mirror.abandon()

    def _attempt(self) -> None:
        start = self._read if self._mirror else self._start()
        entries = list(entries_after(self._results, start))
        if not entries:
            return
        try:
            self._send([entry for entry, _ in entries])
        except BaseException:
            self._mirror, self._doubtful = None, True
            raise
        self._read = entries[-1][1]
        write_position(self._results, self._destination.label, self._read)

    def _start(self) -> int:
        """Return where to begin: at the end if all has been sent, else at the beginning, for arms sum up all runs."""
        position = read_position(self._results, self._destination.label)
        is_there = bool(self._destination.uri) or (self._destination.root / DATABASE).exists()
        is_done = is_there and not self._doubtful and not any(entries_after(self._results, position))
        return position if is_done else 0

    def _send(self, entries: list[Entry]) -> None:
        mirror = self._mirror = self._mirror or Mirror(self._destination, figure=self._figure)
        if not mirror.is_open:
            mirror.open_sweep(read_sweep(self._results))
        under_way = _under_way(entries)
        for run in dict.fromkeys(entry.run for entry in entries if entry.run):
            self._send_run(mirror, run, under_way.get(run))
            self.sent += 1
        last = [entry for entry in entries if not entry.run][-1:]
        for entry in last:
            if entry.kind == "reported":
                files = [self._results / file for file in entry.files]
                mirror.close_sweep(Summary.of(entry.answer, files))
            elif entry.kind == "interrupted":
                mirror.abandon()

    def _send_run(self, mirror: Mirror, run: str, started: float | None) -> None:
        """Send the result of a run, or that it is under way since `started`."""
        for planned in self._planned(run):
            if started is not None:
                mirror.begin_run(planned, started=started)
            elif result := result_of(self._results, planned):
                mirror.add_run(result[0], planned, ended=result[1])

    def _planned(self, run: str) -> list[PlannedRun]:
        """Return every place of the plan that a run fills; a search adds runs as it goes."""
        if run not in self._runs:
            self._runs = {}
            for planned in read_sweep(self._results).runs:
                self._runs.setdefault(planned.fingerprint, []).append(planned)
        return self._runs.get(run, [])


def _under_way(entries: list[Entry]) -> dict[str, float]:
    """Return which runs have begun since the sweep was last called and not ended, and when."""
    since = max((place for place, entry in enumerate(entries) if entry.kind == "planned"), default=0)
    last = {entry.run: entry for entry in entries[since:] if entry.run}
    return {run: entry.at for run, entry in last.items() if entry.kind == "started"}


class CatchesUp(Protocol):
    """Whatever is sent bit by bit; `sent` grows while there is progress."""

    sent: int

    def catch_up(self) -> None:
        """Send all that is new, or raise."""

    def end(self) -> None:
        """Hear that the sweep has ended and all is sent."""


def follow(writer: CatchesUp, stopped: Callable[[float], bool], *, patience: float = PATIENCE) -> bool:
    """Send until told to stop and all is sent; return False if given up after `patience` seconds without progress.

    `stopped` waits for so many seconds at most and tells whether the sweep has ended.
    Attempts that fail are made again, ever more rarely while the sweep goes on.
    """
    pause, deadline, is_ending, is_told = _POLL, math.inf, False, False
    while True:
        sent = writer.sent
        try:
            writer.catch_up()
            if is_ending:
                writer.end()
                return True
            pause = _POLL
        except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
            _log.log(logging.DEBUG if is_told else logging.WARNING, "cannot mirror yet: %s", one_line(error))
            is_told = True
            pause = min(2 * pause, _LONGEST_PAUSE)
            if writer.sent > sent and is_ending:
                deadline = time.monotonic() + patience
        if time.monotonic() >= deadline:
            return False
        if stopped(min(pause, 2 * _POLL) if is_ending else pause) and not is_ending:
            is_ending, pause, deadline = True, _POLL, time.monotonic() + patience
