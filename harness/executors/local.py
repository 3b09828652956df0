"""Jobs in processes of this machine, spawned once and kept until the end.

Each worker leads a process group of its own, which is ended as a whole: on an interrupt,
when a job passes a limit, and when the worker dies.
"""

import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Self, cast

from harness.errors import WinnowError
from harness.executors.base import (
    J,
    Job,
    MemoryLimitError,
    Outcome,
    StalledError,
    TimeLimitError,
    WorkerDiedError,
    unheard,
)
from harness.executors.place import Limits
from harness.executors.processes import end_group, lead_a_group, resident, surroundings
from harness.leases import Watch
from harness.ranks import ranks_of_visible
from harness.remote.storage import Remote
from harness.store import Store
from harness.teachers.base import Progress, Workspace

__all__ = ["LocalExecutor"]

_PATIENCE = 5.0
"""Seconds that a worker has to end by itself when there is nothing left to do."""

_TICK = 0.5
"""Seconds between two looks at the limits."""


class _Worker:
    """One process and the pipe to it."""

    def __init__(  # all that a process is started with
        self, number: int, store: Store, logs: Path, device: str | None, processes: int
    ) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        log = logs / f"worker-{number}.log"
        arguments = (other, store, log, os.getpid(), processes)
        self.process: SpawnProcess = context.Process(target=_serve, args=arguments, daemon=True)
        variables = {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0")}
        with surroundings(variables if device is None else {**variables, "CUDA_VISIBLE_DEVICES": device}):
            self.process.start()
        other.close()
        self.number = number
        self.job: Job | None = None
        self.watch = Watch()
        self.since = 0.0
        """When the job was handed over, and later when it was begun, by `time.perf_counter`."""
        self.begun = False
        """Whether the worker has all that it imports, and is at work; limits hold from then on."""

    @property
    def ends(self) -> tuple[Connection, int]:
        """What becomes ready when the worker says something, and when it dies."""
        return self.pipe, self.process.sentinel


class LocalExecutor:
    """Carries out jobs in `workers` processes; what they print goes to files under `logs`.

    The workers share out `devices`, as CUDA_VISIBLE_DEVICES names them, one entry to each;
    none are named where there are none. An entry names several for runs that so many
    `processes` train together. `limits` hold for each job by itself. `remote` is where
    the store is shared with other machines.
    """

    def __init__(  # noqa: PLR0913  # what there is to share out, and how
        self,
        workers: int,
        store: Path,
        logs: Path,
        *,
        limits: Limits | None = None,
        devices: Sequence[str] = (),
        processes: int = 1,
        remote: Remote | None = None,
    ) -> None:
        self._count = workers
        self._store = Store(store, remote)
        self._logs = logs
        self._limits = limits or Limits()
        self._devices = devices
        self._processes = processes
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Start the workers; they import what runs need at once."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._workers = [self._hired(number) for number in range(self._count)]
        return self

    def __exit__(self, *error: object) -> None:
        """End the workers: gently when all is done, at once otherwise."""
        for worker in self._workers:
            if error[:1] == (None,) and worker.job is None:
                worker.pipe.close()
                wait([worker.process.sentinel], _PATIENCE)
            end_group(worker.process)
        self._workers = []

    def _hired(self, number: int) -> _Worker:
        device = self._devices[number % len(self._devices)] if self._devices else None
        return _Worker(number, self._store, self._logs, device, self._processes)

    def carry_out(
        self, jobs: Sequence[J], progress: Progress, begun: Callable[[J], None] = unheard
    ) -> Iterator[tuple[J, Outcome]]:
        """Yield each job with its outcome, in the order in which they end; `begun` hears of each that is taken up."""
        waiting = list(reversed(jobs))
        running: dict[int, tuple[_Worker, J]] = {}
        while waiting or running:
            for worker in [worker for worker in self._workers if worker.job is None][: len(waiting)]:
                worker.job = job = waiting.pop()
                worker.since, worker.begun = time.perf_counter(), False
                with suppress(BrokenPipeError):  # a worker that died meanwhile is buried below
                    worker.pipe.send(job)
                running[worker.number] = (worker, job)
            ready = set(wait([end for worker, _ in running.values() for end in worker.ends], _TICK))
            for number, (worker, job) in list(running.items()):
                was_begun = worker.begun
                outcome = self._outcome(worker, ready, progress)
                if worker.begun and not was_begun:
                    begun(job)
                if outcome is not _GOING_ON:
                    del running[number]
                    worker.job = None
                    yield job, outcome

    def _outcome(self, worker: _Worker, ready: Container[object], progress: Progress) -> Outcome:
        """Return what has come of a worker's job; a process that died may have answered before."""
        if worker.pipe in ready:
            return self._answer(worker, progress)
        if worker.process.sentinel in ready:
            return self._bury(worker)
        passed = self._passed(worker)
        if passed is not None:
            self._replace(worker)
            return passed
        return _GOING_ON

    def _passed(self, worker: _Worker) -> WorkerDiedError | None:
        """Say which limit a job has passed."""
        if not worker.begun:
            return None
        limits, seconds = self._limits, round(time.perf_counter() - worker.since, 3)
        if limits.seconds is not None and seconds > limits.seconds:
            return TimeLimitError(f"ended after {seconds} s: the limit is {limits.seconds:g} s", seconds)
        if limits.memory is not None and (used := resident(worker.process.pid or 0)) > limits.memory:
            message = f"ended with {used / 2**30:.2f} GiB in use: the limit is {limits.memory / 2**30:.2f} GiB"
            return MemoryLimitError(message, seconds)
        pulse = getattr(worker.job, "pulse", None)  # jobs that are short have none
        if (
            limits.silence is not None
            and pulse is not None
            and (silent := worker.watch.silent(pulse())) > limits.silence
        ):
            return StalledError(f"ended after {silent:.0f} s without a sign of life", seconds)
        return None

    def _answer(self, worker: _Worker, progress: Progress) -> Outcome:
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if kind == "progress":
            progress(*content)
            return _GOING_ON
        if kind == "begun":
            worker.since, worker.watch, worker.begun = time.perf_counter(), Watch(), True
            return _GOING_ON
        return cast("Outcome", content)

    def _bury(self, worker: _Worker) -> WorkerDiedError:
        """Replace a dead worker and say what it died of."""
        wait([worker.process.sentinel], _PATIENCE)
        self._replace(worker)
        seconds = round(time.perf_counter() - worker.since, 3)
        code = worker.process.exitcode or 0
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        log = self._logs / f"worker-{worker.number}.log"
        return WorkerDiedError(f"the worker process ended with {reason}; the end of {log} may say more", seconds)

    def _replace(self, worker: _Worker) -> None:
        end_group(worker.process)
        worker.pipe.close()
        self._workers[self._workers.index(worker)] = self._hired(worker.number)


_GOING_ON = object()


def _serve(pipe: Connection, store: Store, log: Path, parent: int, processes: int) -> None:
    """Answer jobs until the other end closes the pipe."""
    lead_a_group(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _quieten(log)

    def progress(what: str, done: int, total: int) -> None:
        pipe.send(("progress", (what, done, total)))

    work = Workspace(store, progress, ranks=ranks_of_visible(processes))
    import sentence_transformers
    import torch

    logging.getLogger(__name__).info("sentence-transformers %s", sentence_transformers.__version__)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        pipe.send(("begun", None))
        torch.set_num_threads(job.threads)
        answer: Outcome
        try:
            answer = job(work)
        except WinnowError as error:
            answer = error
        except Exception as error:  # noqa: BLE001  # the coordinator decides what it means
            traceback.print_exc()
            answer = WinnowError(f"{type(error).__name__}: {error}")
        pipe.send(("done", answer))


def _quieten(log: Path) -> None:
    """Send all that libraries print to a file, so that the display stays whole."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, sys.stdout.fileno())
    os.dup2(handle, sys.stderr.fileno())
    os.close(handle)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    warnings.simplefilter("ignore")
