import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from harness.errors import DataError, WinnowError
from harness.executors.base import MemoryLimitError, StalledError, TimeLimitError, WorkerDiedError
from harness.executors.local import LocalExecutor
from harness.executors.place import Limits
from harness.ranks import Ranks
from harness.teachers.base import Workspace, silent


@dataclass(frozen=True)
class Task:
    what: str
    threads: int = 1

    def __call__(self, work: Workspace) -> object:
        import torch

        if self.what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "data":
            raise DataError("no data")
        if self.what == "bug":
            return 1 / 0
        if self.what == "device":
            return os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["PYTHONHASHSEED"]
        if self.what == "fill":
            filled = bytearray(os.urandom(1 << 20) * 600)
            time.sleep(600)
            del filled
        if self.what == "group":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            Path(work.store.root, "child").write_text(str(child.pid))
            Path(work.store.root, "started").touch()
            time.sleep(600)
        if self.what == "sleep":
            Path(work.store.root, "started").touch()
            time.sleep(600)
        work.progress(self.what, 1, 2)
        return self.what, torch.get_num_threads(), work.store.root


@dataclass(frozen=True)
class Pulsing:
    """Stops itself; its pulse, seen from outside, changes never or always."""

    alive: bool
    threads: int = 1

    def __call__(self, work: Workspace) -> str:
        time.sleep(2)
        return "done"

    def pulse(self) -> float:
        return time.monotonic() if self.alive else 0.0


@dataclass(frozen=True)
class Placed:
    """Tells which device its process sees, and with which others it would train."""

    number: int
    threads: int = 1

    def __call__(self, work: Workspace) -> object:
        return os.environ["CUDA_VISIBLE_DEVICES"], work.ranks


@pytest.fixture
def executor(tmp_path):
    with LocalExecutor(2, tmp_path / "store", tmp_path / "logs") as started:
        yield started


def test_jobs_come_back_with_what_they_returned_or_why_they_could_not(executor, tmp_path):
    heard, begun = [], []
    jobs = [Task("a"), Task("die"), Task("data"), Task("bug"), Task("b", threads=2)]

    answers = dict(executor.carry_out(jobs, lambda *told: heard.append(told), begun.append))

    assert answers[jobs[0]] == ("a", 1, tmp_path / "store")
    assert answers[jobs[4]] == ("b", 2, tmp_path / "store")
    assert isinstance(answers[jobs[1]], WorkerDiedError)
    assert "signal SIGKILL" in str(answers[jobs[1]])
    assert 0 < answers[jobs[1]].seconds < 60
    assert (type(answers[jobs[2]]), str(answers[jobs[2]])) == (DataError, "no data")
    assert (type(answers[jobs[3]]), str(answers[jobs[3]])) == (WinnowError, "ZeroDivisionError: division by zero")
    assert sorted(begun, key=jobs.index) == jobs
    assert sorted(heard) == [("a", 1, 2), ("b", 1, 2)]
    assert "ZeroDivisionError" in "".join(log.read_text() for log in (tmp_path / "logs").iterdir())


def test_leaving_after_an_error_ends_running_jobs_at_once(tmp_path):
    (tmp_path / "store").mkdir()

    def interrupt_once_started() -> None:
        while not (tmp_path / "store" / "started").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    executor = LocalExecutor(1, tmp_path / "store", tmp_path / "logs")

    def carry_out() -> None:
        with executor:
            processes.append(executor._workers[0].process)
            Thread(target=interrupt_once_started, daemon=True).start()
            next(executor.carry_out([Task("sleep")], silent))

    processes = []
    with pytest.raises(KeyboardInterrupt):
        carry_out()

    assert processes[0].exitcode == -signal.SIGKILL


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_job_past_its_time_is_ended_with_all_its_processes_and_the_next_one_runs(tmp_path):
    (tmp_path / "store").mkdir()
    with LocalExecutor(1, tmp_path / "store", tmp_path / "logs", limits=Limits(seconds=3)) as executor:
        outcomes = [outcome for _, outcome in executor.carry_out([Task("group"), Task("a")], silent)]

    assert isinstance(outcomes[0], TimeLimitError)
    assert 3 < outcomes[0].seconds < 60
    assert "the limit is 3 s" in str(outcomes[0])
    assert outcomes[1] == ("a", 1, tmp_path / "store")
    child = int((tmp_path / "store" / "child").read_text())
    wait_until(lambda: not is_alive(child))
    assert not is_alive(child)


def test_a_job_past_its_memory_is_ended_and_one_within_is_not(tmp_path):
    limits = Limits(memory=1 << 30)
    with LocalExecutor(1, tmp_path / "store", tmp_path / "logs", limits=limits) as executor:
        outcomes = [outcome for _, outcome in executor.carry_out([Task("a"), Task("fill")], silent)]

    assert outcomes[0] == ("a", 1, tmp_path / "store")
    assert isinstance(outcomes[1], MemoryLimitError)
    assert "the limit is 1.00 GiB" in str(outcomes[1])


def test_a_job_without_a_sign_of_life_is_ended_and_one_that_is_only_slow_is_not(tmp_path):
    with LocalExecutor(2, tmp_path / "store", tmp_path / "logs", limits=Limits(silence=1.0)) as executor:
        outcomes = dict(executor.carry_out([Pulsing(alive=True), Pulsing(alive=False)], silent))

    assert outcomes[Pulsing(alive=True)] == "done"
    assert isinstance(outcomes[Pulsing(alive=False)], StalledError)


def test_each_worker_sees_one_device_and_a_fixed_hash_seed(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with LocalExecutor(2, tmp_path / "store", tmp_path / "logs", devices=("GPU-a", "GPU-b")) as executor:
        outcomes = [outcome for _, outcome in executor.carry_out([Task("device"), Task("device", threads=2)], silent)]

    assert sorted(outcomes) == [("GPU-a", "0"), ("GPU-b", "0")]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    assert "PYTHONHASHSEED" not in os.environ


def test_a_worker_of_several_processes_sees_one_device_and_knows_those_of_the_others(tmp_path):
    groups = ("GPU-a,GPU-b", "GPU-c,GPU-d")
    with LocalExecutor(2, tmp_path / "store", tmp_path / "logs", devices=groups, processes=2) as executor:
        outcomes = [outcome for _, outcome in executor.carry_out([Placed(0), Placed(1)], silent)]

    assert sorted(outcomes, key=str) == [("GPU-a", Ranks(2, ("GPU-b",))), ("GPU-c", Ranks(2, ("GPU-d",)))]


COORDINATOR = """
import sys
from pathlib import Path
from harness.executors.local import LocalExecutor
from harness.teachers.base import silent
from test_local import Task
root = Path(sys.argv[1])
with LocalExecutor(1, root, root / "logs") as executor:
    (root / "worker").write_text(str(executor._workers[0].process.pid))
    list(executor.carry_out([Task("group")], silent))
"""


def test_workers_and_what_they_started_die_with_a_coordinator_that_is_killed(tmp_path):
    paths = f"{Path(__file__).parents[2]}:{Path(__file__).parent}"
    (tmp_path / "coordinate.py").write_text(f"if __name__ == '__main__':\n    exec({COORDINATOR!r})\n")
    running = subprocess.Popen(
        [sys.executable, tmp_path / "coordinate.py", tmp_path], env={**os.environ, "PYTHONPATH": paths}
    )
    wait_until((tmp_path / "started").exists)
    worker, child = (int((tmp_path / name).read_text()) for name in ("worker", "child"))
    assert is_alive(worker)
    assert is_alive(child)

    running.kill()
    running.wait()

    wait_until(lambda: not is_alive(worker) and not is_alive(child))
    assert not is_alive(worker)
    assert not is_alive(child)
