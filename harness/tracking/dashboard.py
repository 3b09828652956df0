"""Runs MLflow's own server on a store, on this machine only, and ends it with all its workers."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import ConfigError, StorageError, storage_error
from harness.tracking.destination import ARTEFACTS, DATABASE
from harness.tracking.store import ARMS_VIEW

__all__ = ["Dashboard", "start_dashboard"]

DEFAULT_PORT = 5000
MAX_PORT = 65535
LOG = "mlflow.log"
_GRACE = 10.0
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a service that runs code on request has no place here
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Dashboard:
    """A running server; leaving the context, by Ctrl-C too, ends its whole process group.

    `pages` maps each sweep, latest first, to the address of its arms, best first;
    `log` is what the server has to say.
    """

    address: str
    pages: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    listens: tuple[str, int]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until_ready(self, timeout: float = 120.0) -> bool:
        """Wait until the server answers; return False if it ended or `timeout` seconds passed before."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            if not _is_free(*self.listens):
                return True
            time.sleep(0.2)
        return False

    def wait(self) -> int:
        """Wait until the server exits and return its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """End the server and its workers; harmless when they are gone."""
        for ending in (signal.SIGTERM, signal.SIGKILL):
            # The group outlives its leader: workers left behind would go on serving the port.
            try:
                os.killpg(self.process.pid, ending)
            except ProcessLookupError:
                break
            if _group_ends(self.process):
                break
        if self.process.stdin:
            self.process.stdin.close()


def _group_ends(process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline:
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def start_dashboard(root: Path, *, port: int = DEFAULT_PORT, host: str = "127.0.0.1") -> Dashboard:
    """Start the dashboard on the store under `root`; it answers some seconds later.

    Raises StorageError if there is no store yet, ConfigError if the port cannot be had.
    """
    if not (root / DATABASE).is_file():
        message = f"there is nothing to show: {root / DATABASE} is missing; run a sweep, or `winnow track --rebuild`"
        raise StorageError(message)
    if not 1 <= port <= MAX_PORT:
        message = f"--port must be in [1, {MAX_PORT}], got {port}"
        raise ConfigError(message)
    if not _is_free(host, port):
        message = f"port {port} on {host} is taken; choose another, for instance `--port {_free_port(host)}`"
        raise ConfigError(message)
    try:
        log = (root / LOG).open("wb")
    except OSError as error:
        raise storage_error(error, root / LOG) from error
    with log:
        # A session of its own, so that Ctrl-C reaches us first and we can end every worker.
        process = subprocess.Popen(  # noqa: S603 - the command is ours, without a shell
            _command(root.resolve(), host, port),
            env=os.environ | _ENVIRONMENT,
            start_new_session=True,
            stdin=subprocess.PIPE,  # closed when this process ends, be it by SIGKILL: the server then ends too
            stdout=log,
            stderr=log,
        )
    address = f"http://{host}:{port}"
    return Dashboard(address, _pages(root, address), root / LOG, process, (host, port))


def _pages(root: Path, address: str) -> dict[str, str]:
    """Return the page of each sweep, latest first; none if the store cannot be asked."""
    # Asked without mlflow, whose import takes seconds.
    newest = (
        "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active' ORDER BY last_update_time DESC"
    )
    try:
        with closing(sqlite3.connect(f"file:{root / DATABASE}?mode=ro", uri=True)) as database:
            rows = database.execute(newest).fetchall()
    except sqlite3.Error:
        return {}
    query = f"viewStateShareKey={ARMS_VIEW}&workflowType=machine_learning"
    return {name: f"{address}/#/experiments/{experiment}/runs?{query}" for name, experiment in rows}


def _command(root: Path, host: str, port: int) -> list[str]:
    store = ["--backend-store-uri", f"sqlite:///{root / DATABASE}", "--artifacts-destination", str(root / ARTEFACTS)]
    network = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    guarded = [sys.executable, "-m", "harness.tracking.guarded"]
    return [*guarded, sys.executable, "-m", "mlflow", "server", *store, *network]


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) != 0


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
