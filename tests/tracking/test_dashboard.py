import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from harness.errors import ConfigError, StorageError
from harness.tracking import rebuild, start_dashboard
from harness.tracking.dashboard import Dashboard
from harness.tracking.destination import DATABASE, Destination


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_store_the_dashboard_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="run a sweep, or `winnow track --rebuild`"):
        start_dashboard(tmp_path)


def test_a_taken_port_is_refused_with_a_free_one(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=rf"port {port} on 127.0.0.1 is taken.*--port \d+"):
            start_dashboard(root, port=port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_refused(root: Path, port: int) -> None:
    with pytest.raises(ConfigError, match=rf"must be in \[1, 65535\], got {port}"):
        start_dashboard(root, port=port)


def test_artefacts_open_after_the_results_have_moved(root: Path, results: Path) -> None:
    rebuild(Destination(root), results)
    moved = root.rename(root.with_name("moved"))
    client = MlflowClient(f"sqlite:///{moved / DATABASE}")
    experiment = client.get_experiment_by_name("toy-sweep")
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id], "tags.`winnow.level` = 'run'")[0].info.run_id

    with start_dashboard(moved, port=free_port()) as dashboard:
        assert dashboard.wait_until_ready(), dashboard.log.read_text()
        with urlopen(f"{dashboard.address}/get-artifact?path=record.json&run_uuid={run}", timeout=30) as answer:  # noqa: S310
            content = answer.read()

    assert b'"status": "finished"' in content
    assert list(dashboard.pages) == ["toy-sweep"]
    assert dashboard.pages["toy-sweep"].startswith(
        f"{dashboard.address}/#/experiments/{experiment.experiment_id}/runs?"
    )
    assert dashboard.process.poll() is not None
    with socket.socket() as probe:
        assert probe.connect_ex(dashboard.listens) != 0


def test_stopping_ends_a_worker_that_outlives_its_server(tmp_path: Path) -> None:
    worker = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    server = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {worker!r}])"
    process = subprocess.Popen([sys.executable, "-c", server], start_new_session=True)
    process.wait()
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)

    Dashboard("", {}, tmp_path / "log", process, ("127.0.0.1", 1)).stop()

    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIG_DFL)
