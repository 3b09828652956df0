"""Those who hear how a sweep goes: the terminal, and the MLflow mirror."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.printable import printable
from harness.record import RunRecord
from harness.spec import PlannedRun, SweepPlan
from harness.sweep import Listener
from harness.tracking import Mirror, Summary

__all__ = ["Bystander", "Display", "Everyone"]


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
    """Hands every ended run to the MLflow mirror, in a thread, so that no run waits for it."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow-mirror")

    def planned(self, plan: SweepPlan, total: int) -> None:
        """Open the sweep in the mirror."""
        del total
        self._thread.submit(self._mirror.open_sweep, plan)

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Mirror a run; one that is there already changes nothing."""
        del before
        self._thread.submit(self._mirror.add_run, record, run)

    def finish(self, summary: Summary) -> None:
        """Mirror what is left, close the sweep with its summary, and wait for both."""
        self._thread.submit(self._mirror.close_sweep, summary)
        self._thread.shutdown(wait=True)

    def leave(self) -> None:
        """Give up what is waiting; `winnow track` can catch up later."""
        self._thread.shutdown(wait=True, cancel_futures=True)


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

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.ended(run, record, before=before)
