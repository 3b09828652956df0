"""Those who hear how a sweep goes: the terminal, and the outbox of the MLflow mirror."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.errors import WinnowError
from harness.printable import printable
from harness.record import RunRecord
from harness.spec import PlannedRun, SweepPlan
from harness.study_file import Trial
from harness.sweep import Listener
from harness.tracking.destination import Destination
from harness.tracking.outbox import Kind, Outbox
from harness.tracking.process import MirrorProcess, unsent

__all__ = ["AT_MOST", "Bystander", "Display", "Everyone"]

AT_MOST = 120.0
"""Seconds that a finished sweep waits for its mirror; without progress it gives up much sooner."""

_IN_A_HURRY = 5.0

logger = logging.getLogger(__name__)


class Display(Listener):
    """Shows which run ended last, how many are done, and the time left.

    On a terminal this is one live line; elsewhere a line per run, so that a log can be
    read.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
            transient=True,
        )
        self._runs = self._bar.add_task("runs", total=None)
        self._step = self._bar.add_task("", total=None, visible=False)
        self._total = 0
        self._done = 0
        self._new = 0
        self._since = monotonic()
        self._told = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def planned(self, plan: SweepPlan, total: int) -> None:
        """Begin the bar."""
        self._total = total
        self._since = monotonic()
        self._bar.update(self._runs, total=total, description=plan.name)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show how far a preparation is; in a log, once per kind."""
        if not self._new:
            self._since = monotonic()  # runs are timed from the end of what they share
        self._bar.update(self._step, description=what, completed=done, total=total, visible=done < total)
        if not self._live and what != self._told:
            self._told = what
            self._console.print(f"{what} ({total:,})")

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Count a run."""
        self._done += 1
        self._new += not before
        name = printable(f"{run.arm} · seed {run.seed}")
        self._bar.update(self._runs, completed=self._done, description=_fitted(name, 28))
        if record.status == "failed" and record.failure is not None:
            self._console.print(
                f"failed: {name} on {printable(run.dataset)}: {printable(record.failure.message)}",
                style="red",
                markup=False,
            )
        elif not self._live and not before:
            left = (monotonic() - self._since) / self._new * (self._total - self._done)
            self._console.print(f"[{self._done}/{self._total}] {name}, about {left:.0f} s left", markup=False)


def _fitted(text: str, width: int) -> str:
    return f"{text[: width - 1]}…" if len(text) > width else f"{text:<{width}}"


class Bystander(Listener):
    """Puts what is to be mirrored into the sweep's outbox; a process of its own sends it to MLflow.

    Nothing waits for that process before the end, and then for `AT_MOST` seconds. An
    outbox that cannot be written is reported once and costs the sweep nothing.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._results = destination.root
        self._outbox: Outbox | None = None
        self._process: MirrorProcess | None = None

    def planned(self, plan: SweepPlan, total: int) -> None:
        """Open the outbox and start the process that sends it."""
        del total
        self._results = self._destination.root / plan.name
        with self._unless_it_cannot_be_written():
            self._outbox = Outbox(self._results)
            self._outbox.append("planned")
            self._process = MirrorProcess(self._results, self._destination)

    def started(self, run: PlannedRun) -> None:
        """Put into the outbox that a run is under way."""
        self._put("started", run=run.fingerprint)

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Put a run into the outbox; one that has finished `before` is there already, or was not tracked."""
        del before
        self._put(record.status, run=run.fingerprint)

    def finish(self, answer: str, files: tuple[Path, ...]) -> str:
        """Put the report in, wait until all is sent or given up, and return what there is to say of it."""
        self._put("reported", answer=answer, files=files)
        if self._outbox is None:
            return ""
        self._end(AT_MOST)
        return unsent(self._results, self._destination)

    def leave(self) -> None:
        """Mark a sweep that has not been finished as interrupted, and wait only shortly."""
        self._put("interrupted")
        self._end(_IN_A_HURRY)

    def _put(self, kind: Kind, *, run: str = "", answer: str = "", files: tuple[Path, ...] = ()) -> None:
        if self._outbox is not None:
            with self._unless_it_cannot_be_written():
                self._outbox.append(kind, run=run, answer=answer, files=files)

    def _end(self, seconds: float) -> None:
        if self._outbox is not None:
            self._outbox.close()
        if self._process is not None:
            self._process.end(seconds)
        self._outbox = self._process = None

    @contextmanager
    def _unless_it_cannot_be_written(self) -> Iterator[None]:
        try:
            yield
        except (WinnowError, OSError) as error:
            logger.warning(
                "MLflow tracking stops here (%s); results stay whole, and `winnow track %s --rebuild` mirrors them",
                error,
                self._results,
            )
            self._end(0.0)


class Everyone(Listener):
    """Passes everything on to several listeners, in order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def planned(self, plan: SweepPlan, total: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.planned(plan, total)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.preparing(what, done, total)

    def started(self, run: PlannedRun) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.started(run)

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.ended(run, record, before=before)

    def tried(self, number: int, trial: Trial) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.tried(number, trial)
