import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from harness.errors import DataError, WinnowError
from harness.executors.base import WorkerDiedError
from harness.executors.local import LocalExecutor
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
        if self.what == "sleep":
            Path(work.store.root, "started").touch()
            time.sleep(600)
        work.progress(self.what, 1, 2)
        return self.what, torch.get_num_threads(), work.store.root


@pytest.fixture
def executor(tmp_path):
    with LocalExecutor(2, tmp_path / "store", tmp_path / "logs") as started:
        yield started


def test_jobs_come_back_with_what_they_returned_or_why_they_could_not(executor, tmp_path):
    heard = []
    jobs = [Task("a"), Task("die"), Task("data"), Task("bug"), Task("b", threads=2)]

    answers = dict(executor.carry_out(jobs, lambda *told: heard.append(told)))

    assert answers[jobs[0]] == ("a", 1, tmp_path / "store")
    assert answers[jobs[4]] == ("b", 2, tmp_path / "store")
    assert isinstance(answers[jobs[1]], WorkerDiedError)
    assert "signal SIGKILL" in str(answers[jobs[1]])
    assert 0 < answers[jobs[1]].seconds < 60
    assert (type(answers[jobs[2]]), str(answers[jobs[2]])) == (DataError, "no data")
    assert (type(answers[jobs[3]]), str(answers[jobs[3]])) == (WinnowError, "ZeroDivisionError: division by zero")
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
