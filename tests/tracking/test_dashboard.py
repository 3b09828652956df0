import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

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


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGHUP])
def test_a_command_that_is_killed_takes_its_server_along(root: Path, results: Path, ending: signal.Signals) -> None:
    rebuild(Destination(root), results)
    port = free_port()
    log = root / "ui.log"
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a command under nohup rightly lives on
    with log.open("wb") as output:
        main = "import sys; from harness.cli import main; sys.exit(main())"
        arguments = ["ui", "--port", str(port), "--results", str(root)]
        ui = subprocess.Popen([sys.executable, "-c", main, *arguments], stdout=output, stderr=output)
    signal.signal(signal.SIGHUP, before)
    deadline = time.monotonic() + 60
    while not answers(port):
        assert time.monotonic() < deadline, log.read_text()
        assert ui.poll() is None, log.read_text()
        time.sleep(0.1)

    ui.send_signal(ending)
    ui.wait()

    deadline = time.monotonic() + 20
    while answers(port) or serving(root):
        assert time.monotonic() < deadline, serving(root)
        time.sleep(0.1)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serving(root: Path) -> list[str]:
    """Return the processes whose command or environment names the store."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(root).encode() in about and int(process.name) != os.getpid():
            found.append(about[:200].decode(errors="replace"))
    return found


@pytest.mark.slow
def test_the_server_carries_out_no_jobs_and_listens_on_this_machine_alone(root: Path, results: Path) -> None:
    rebuild(Destination(root), results)

    with start_dashboard(root, port=free_port()) as dashboard:
        assert dashboard.wait_until_ready(), dashboard.log.read_text()
        port = dashboard.listens[1]
        job = Request(  # noqa: S310
            f"{dashboard.address}/ajax-api/3.0/jobs/",
            data=b'{"job_name": "run_online_trace_scorer", "params": {}}',
            headers={"Content-Type": "application/json"},
        )
        with pytest.raises(HTTPError) as refused:
            urlopen(job, timeout=30)  # noqa: S310
        listening = {
            line.split()[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
        }

    with refused.value as answer:
        assert b"not enabled" in answer.read()
    assert listening == {f"0100007F:{port:04X}"}


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
