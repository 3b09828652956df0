"""Jobs in processes of this machine, spawned once and kept until the end."""

import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Self, cast

from harness.errors import WinnowError
from harness.executors.base import J, Job, Outcome, WorkerDiedError
from harness.store import Store
from harness.teachers.base import Progress, Workspace

__all__ = ["LocalExecutor"]

_PATIENCE = 5.0
"""Seconds that a worker has to end by itself when there is nothing left to do."""


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, number: int, store: Path, logs: Path) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_serve, args=(other, store, logs / f"worker-{number}.log"), daemon=True
        )
        self.process.start()
        other.close()
        self.number = number
        self.job: Job | None = None
        self.since = 0.0
        """When the job was begun, by `time.perf_counter`."""


class LocalExecutor:
    """Carries out jobs in `workers` processes; what they print goes to files under `logs`."""

    def __init__(self, workers: int, store: Path, logs: Path) -> None:
        self._count = workers
        self._store = store
        self._logs = logs
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Start the workers; they import what runs need at once."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._workers = [_Worker(number, self._store, self._logs) for number in range(self._count)]
        return self

    def __exit__(self, *error: object) -> None:
        """End the workers: gently when all is done, at once otherwise."""
        for worker in self._workers:
            if error[:1] == (None,) and worker.job is None:
                worker.pipe.close()
                worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []

    def carry_out(self, jobs: Sequence[J], progress: Progress) -> Iterator[tuple[J, Outcome]]:
        """Yield each job with its outcome, in the order in which they end."""
        waiting = list(reversed(jobs))
        running: dict[Connection, tuple[_Worker, J]] = {}
        while waiting or running:
            for worker in [worker for worker in self._workers if worker.job is None][: len(waiting)]:
                worker.job = job = waiting.pop()
                worker.since = time.perf_counter()
                worker.pipe.send(job)
                running[worker.pipe] = (worker, job)
            for pipe in cast("list[Connection]", wait(list(running))):
                worker, job = running[pipe]
                outcome = self._answer(worker, progress)
                if outcome is not _GOING_ON:
                    del running[pipe]
                    worker.job = None
                    yield job, outcome

    def _answer(self, worker: _Worker, progress: Progress) -> Outcome:
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if kind == "progress":
            progress(*content)
            return _GOING_ON
        return cast("Outcome", content)

    def _bury(self, worker: _Worker) -> WorkerDiedError:
        """Replace a dead worker and say what it died of."""
        worker.process.join()
        seconds = round(time.perf_counter() - worker.since, 3)
        code = worker.process.exitcode or 0
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        log = self._logs / f"worker-{worker.number}.log"
        self._workers[self._workers.index(worker)] = _Worker(worker.number, self._store, self._logs)
        return WorkerDiedError(f"the worker process ended with {reason}; the end of {log} may say more", seconds)


_GOING_ON = object()


def _serve(pipe: Connection, store: Path, log: Path) -> None:
    """Answer jobs until the other end closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _quieten(log)

    def progress(what: str, done: int, total: int) -> None:
        pipe.send(("progress", (what, done, total)))

    work = Workspace(Store(store), progress)
    import sentence_transformers
    import torch

    logging.getLogger(__name__).info("sentence-transformers %s", sentence_transformers.__version__)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
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
