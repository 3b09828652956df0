"""Jobs as tasks of a Ray cluster, whose nodes see results, store and the current folder at the same paths."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self, cast

from harness.errors import ConfigError, WinnowError
from harness.executors.base import J, Job, Outcome, TimeLimitError, WorkerDiedError, unheard
from harness.executors.place import Place
from harness.ranks import ranks_of_visible
from harness.remote.storage import Remote
from harness.store import Store
from harness.teachers.base import Progress, Workspace

__all__ = ["RayExecutor"]

_TICK = 1.0


class RayExecutor:
    """Carries out jobs as Ray core tasks; a job whose node or worker dies is tried again up to `place.retries` times.

    At most `workers` jobs are handed over at a time, so that an interrupt leaves little
    behind; a time limit counts from then. That a job may be done twice does no harm: what
    it writes is named by its content, and fenced. Ray asks for a token unless
    RAY_AUTH_MODE says otherwise. Progress inside jobs is not told.
    """

    def __init__(self, workers: int, store: Path, place: Place, remote: Remote | None = None) -> None:
        self._workers = workers
        self._store = Store(store.resolve(), remote)
        self._place = place

    def __enter__(self) -> Self:
        """Join the cluster; raise ConfigError if Ray or the cluster is not there, or has not what was asked for."""
        if self._place.limits.memory is not None:
            message = "--limit-memory is for the local executor: on a cluster, Ray's memory monitor watches each node"
            raise ConfigError(message)
        if self._place.processes > 1 and self._place.gpus_per_run not in {0, self._place.processes}:
            message = (
                f"--processes-per-run {self._place.processes} needs --gpus-per-run {self._place.processes},"
                f" or 0 to train without GPUs, got {self._place.gpus_per_run:g}"
            )
            raise ConfigError(message)
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        # A task that asks for no GPU is to see none, also on a node that has some.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
        variables = {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0")}
        try:
            _ray().init(
                address=self._place.address,
                log_to_driver=False,
                logging_level="error",
                runtime_env={"env_vars": variables},
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            message = f"cannot join the Ray cluster at {self._place.address!r}: {error}"
            raise ConfigError(message) from error
        if self._place.resources and not self._nodes(_ray()):
            message = _lacking(_ray(), self._place)
            _ray().shutdown()
            raise ConfigError(message)
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the cluster; tasks that are under way end with it."""
        _ray().shutdown()

    def carry_out(
        self, jobs: Sequence[J], progress: Progress, begun: Callable[[J], None] = unheard
    ) -> Iterator[tuple[J, Outcome]]:
        """Yield each job with its outcome, in the order in which they end; `begun` hears of each handed over."""
        ray = _ray()
        waiting = list(reversed(jobs))
        running: dict[Any, tuple[J, float]] = {}
        while waiting or running:
            while waiting and len(running) < self._workers:
                job = waiting.pop()
                running[self._handed_over(ray, job)] = (job, time.perf_counter())
                begun(job)
            ready, _ = ray.wait(list(running), timeout=_TICK)
            for task in ready:
                job, since = running.pop(task)
                progress("jobs on the cluster", len(jobs) - len(waiting) - len(running), len(jobs))
                yield job, _outcome(ray, task, _since(since))
            for task in self._late(running):
                job, since = running.pop(task)
                ray.cancel(task, force=True)
                limit = self._place.limits.seconds
                yield job, TimeLimitError(f"ended after {_since(since)} s: the limit is {limit:g} s", _since(since))

    def _handed_over(self, ray: ModuleType, job: Job) -> object:
        carried = ray.remote(
            num_cpus=_cores(self._nodes(ray), max(job.threads, self._place.processes)),
            num_gpus=self._place.gpus_per_run,
            resources=dict(self._place.resources),
            max_retries=self._place.retries,
        )(_carry_out)
        return carried.remote(job, self._store, Path.cwd(), self._place.processes)

    def _nodes(self, ray: ModuleType) -> list[dict[str, float]]:
        """Return all that each living node has, of those that have what a run takes."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [has for has in nodes if all(has.get(name, 0) >= amount for name, amount in self._place.resources)]

    def _late(self, running: dict[Any, tuple[J, float]]) -> list[Any]:
        """Return the tasks that are past their time."""
        seconds = self._place.limits.seconds
        return [] if seconds is None else [task for task, (_, since) in running.items() if _since(since) > seconds]


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        message = "--executor ray needs Ray: pip install 'winnow[ray]'"
        raise ConfigError(message) from error
    return ray


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)


def _cores(nodes: Sequence[Mapping[str, float]], threads: int) -> int:
    """Return how many cores to ask for: no more than some node has, or the job would wait for ever."""
    return max(1, min(threads, max((int(node.get("CPU", 0)) for node in nodes), default=1)))


def _lacking(ray: ModuleType, place: Place) -> str:
    """Say what no node of the cluster has, for which a run would wait for ever, and what the nodes do have."""
    wanted = ", ".join(f"{name}={amount:g}" for name, amount in place.resources)
    every = [_custom(node["Resources"]) for node in ray.nodes() if node["Alive"]]
    has = "; ".join(sorted({", ".join(custom) for custom in every if custom})) or "nothing of the kind"
    return f"--resources-per-run {wanted}: no node of the Ray cluster has that; its nodes have {has}"


def _custom(resources: Mapping[str, float]) -> list[str]:
    """List what a node was started with, beside what Ray counts on every node."""
    return [
        f"{name}={amount:g}"
        for name, amount in sorted(resources.items())
        if name not in {"CPU", "GPU", "memory", "object_store_memory"} and not name.startswith("node:")
    ]


def _outcome(ray: ModuleType, task: object, seconds: float) -> Outcome:
    try:
        return cast("Outcome", ray.get(task))
    except ray.exceptions.RayTaskError as error:
        return WinnowError(f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.RayError as error:
        reason = next(iter(str(error).strip().splitlines()), "no reason given")
        return WorkerDiedError(f"the Ray worker was lost ({type(error).__name__}): {reason}", seconds)


def _carry_out(job: Job, store: Store, folder: Path, processes: int) -> Outcome:
    """Do a job on whatever node this is; an error that Winnow raises on purpose is an answer."""
    ranks = ranks_of_visible(processes)
    import torch

    try:
        os.chdir(folder)
        if not store.root.is_dir():
            raise FileNotFoundError(2, "no such folder", str(store.root))
    except OSError as error:
        return ConfigError(f"the Ray node {socket.gethostname()} does not see {error.filename}: it must be shared")
    torch.set_num_threads(job.threads)
    try:
        return job(Workspace(store, ranks=ranks))
    except WinnowError as error:
        return error
