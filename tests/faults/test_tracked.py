"""MLflow is locked, absent, silent, broken or dies: that costs a sweep no result, and no run is lost or double."""

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from flaky_server import flaky_server
from mlflow import MlflowClient
from mlflow.entities import ViewType
from real_server import Server

from harness.sweep_files import read_sweep
from harness.tracking.destination import DATABASE, Destination
from harness.tracking.store import Store
from sweeps import WINNOW, environment, left, start

pytestmark = pytest.mark.fault_sweep

AT_THE_END = 60.0
"""Seconds that a sweep may take longer than one that nothing mirrors; it gives up after about 20."""


@pytest.fixture(scope="module")
def usual(undisturbed, tmp_path_factory) -> float:
    """How long the sweep takes that nothing disturbs and nothing mirrors."""
    del undisturbed
    begun = time.monotonic()
    assert start(tmp_path_factory.mktemp("usual")).wait(240) == 0
    return time.monotonic() - begun


def recorded(folder: Path) -> int:
    return len(list(folder.glob("results/toy/runs/*/record.json")))


def once(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def track(folder: Path, *more: str) -> None:
    command = [*WINNOW, "track", "results/toy", *more]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment(folder))
    assert done.returncode == 0, done.stderr


def assert_every_run_is_there_once(folder: Path, address: str) -> None:
    """Ask the store for what it has, and compare with the plan and the points."""
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("toy")
    found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
    sweep = read_sweep(folder / "results/toy")
    runs = [run.data.tags for run in found if run.data.tags["winnow.level"] == "run"]
    planned = sorted((run.arm, run.seed, run.fingerprint) for run in sweep.runs)
    kept = sorted((tags["winnow.arm"], int(tags["winnow.seed"]), tags["winnow.fingerprint"]) for tags in runs)
    assert kept == planned
    names = [run.info.run_name for run in found]
    assert len(names) == len(set(names)) == len(planned) + len({run.arm for run in sweep.runs}) + 1
    assert {run.info.status for run in found} == {"FINISHED"}


def local(folder: Path) -> str:
    return f"sqlite:///{folder / 'results' / DATABASE}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the store as a process does that writes for ever."""
    connection = sqlite3.connect(folder / "results" / DATABASE, isolation_level=None, timeout=60)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_a_store_that_is_locked_all_the_time_is_given_up_and_caught_up_with_later(undisturbed, usual, tmp_path):
    Store(Destination(tmp_path / "results"))

    with locked(tmp_path):
        begun = time.monotonic()
        code = start(tmp_path, track=True).wait(240)
        took = time.monotonic() - begun
    track(tmp_path)

    printed = (tmp_path / "output").read_text()
    assert code == 0, printed
    assert "are not mirrored to results/mlflow.db yet" in printed
    assert left(tmp_path) == undisturbed
    assert_every_run_is_there_once(tmp_path, local(tmp_path))
    assert took < 2 * usual + AT_THE_END


@pytest.mark.parametrize(("from_run", "to_run"), [(0, 5), (4, 8)])
def test_a_store_that_is_locked_for_a_while_has_every_run_once_in_the_end(undisturbed, tmp_path, from_run, to_run):
    Store(Destination(tmp_path / "results"))

    with ExitStack() as stack:
        if from_run == 0:
            stack.enter_context(locked(tmp_path))
        running = start(tmp_path, track=True)
        once(lambda: recorded(tmp_path) >= from_run)
        if from_run:
            stack.enter_context(locked(tmp_path))
        once(lambda: recorded(tmp_path) >= to_run)

    assert running.wait(240) == 0, (tmp_path / "output").read_text()
    assert "not mirrored" not in (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed
    assert_every_run_is_there_once(tmp_path, local(tmp_path))


@contextmanager
def absent_server() -> Iterator[tuple[str, list[str]]]:
    yield "http://127.0.0.1:9", ["nobody listens"]


@pytest.mark.parametrize("behaviour", ["absent", "hang", "500"])
def test_a_server_that_does_not_serve_costs_no_result_and_little_time(undisturbed, usual, tmp_path, behaviour):
    with absent_server() if behaviour == "absent" else flaky_server(behaviour) as (address, asked):
        begun = time.monotonic()
        code = start(tmp_path, "--tracking-uri", address, track=True).wait(240)
        took = time.monotonic() - begun
    track(tmp_path)

    printed = (tmp_path / "output").read_text()
    assert code == 0, printed
    assert asked
    assert f"are not mirrored to {address} yet" in printed
    assert left(tmp_path) == undisturbed
    assert_every_run_is_there_once(tmp_path, local(tmp_path))
    assert took < 2 * usual + AT_THE_END


def test_a_server_that_dies_midway_and_comes_back_has_every_run_once(undisturbed, tmp_path):
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    server.start()
    try:
        running = start(tmp_path, "--tracking-uri", server.address, track=True)
        once(lambda: recorded(tmp_path) >= 3)
        server.send(signal.SIGKILL)
        once(lambda: recorded(tmp_path) >= 6)
        server.start()
        code = running.wait(240)
        track(tmp_path, "--tracking-uri", server.address)

        assert code == 0, (tmp_path / "output").read_text()
        assert left(tmp_path) == undisturbed
        assert_every_run_is_there_once(tmp_path, server.address)
    finally:
        server.send(signal.SIGKILL)
