"""A worker or the coordinator is killed or stopped at a named place; afterwards nothing tells that it was."""

import os
import signal
import time
from pathlib import Path

import pytest

from sweeps import left, sitecustomize, start, until_done

AT = """
import os, signal, sys, time
from pathlib import Path

WHERE, HOW, MARK = {where!r}, {how!r}, Path({mark!r})


def struck():
    try:
        MARK.touch(exist_ok=False)
    except FileExistsError:
        return
    if HOW == "stop":
        MARK.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        os.kill(os.getppid() if HOW == "coordinator" else os.getpid(), signal.SIGKILL)
        time.sleep(0.3)


def wrapped(function, after):
    def call(*given, **named):
        if not after:
            struck()
        result = function(*given, **named)
        if after:
            struck()
        return result

    return call


class Finder:
    # sets the trap when the module is imported, whichever process that is
    def find_spec(self, name, path=None, target=None):
        module, _, attribute = WHERE.strip("+").partition(":")
        if name != module:
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(loaded):
            execute(loaded)
            owner, _, method = attribute.rpartition(".")
            place = getattr(loaded, owner) if owner else loaded
            setattr(place, method, wrapped(getattr(place, method), WHERE.endswith("+")))

        spec.loader.exec_module = exec_module
        return spec


if "multiprocessing.spawn" in " ".join(sys.orig_argv):
    sys.meta_path.insert(0, Finder())
"""

WRITTEN = "harness.pipeline:write_record+"
"""Killed behind it, a worker has nothing left to lose."""

STAGES = {
    "while encoding": "harness.teachers.base:build_pool",
    "while mining": "harness.pipeline:mine",
    "while training": "harness.pipeline:train_within_memory",
    "after a checkpoint": "harness.training.checkpoints:Checkpoints.write+",
    "while evaluating": "harness.pipeline:evaluate_run",
    "before the result is renamed": "harness.record:_replace_folder",
    "after the result is written": WRITTEN,
}
QUICK = ("while training", "after the result is written")


def trap(folder: Path, where: str, how: str) -> Path:
    mark = folder / "struck"
    sitecustomize(folder, AT.format(where=where, how=how, mark=str(mark)))
    return mark


@pytest.mark.parametrize(
    ("stage", "how"),
    [
        pytest.param(stage, how, marks=() if (stage in QUICK and how == "worker") else pytest.mark.fault_sweep)
        for stage in STAGES
        for how in ("worker", "coordinator")
    ],
)
def test_a_sweep_whose_process_is_killed_ends_as_if_it_had_not_been(undisturbed, tmp_path, stage, how):
    mark = trap(tmp_path, STAGES[stage], how)

    first = start(tmp_path).wait(240)
    rest = until_done(tmp_path)

    assert mark.exists()
    # a worker that dies is one failure that may pass: its run is tried again at once
    assert first == (-signal.SIGKILL if how == "coordinator" else 0)
    assert rest == [0], (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed


def test_a_worker_that_is_stopped_and_woken_up_goes_on(undisturbed, tmp_path):
    mark = trap(tmp_path, STAGES["while training"], "stop")

    running = start(tmp_path)
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    stopped = running.poll()
    os.kill(int(mark.read_text()), signal.SIGCONT)

    assert (stopped, running.wait(240)) == (None, 0), (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed


def test_a_second_coordinator_is_refused_and_changes_nothing(undisturbed, tmp_path):
    mark = trap(tmp_path, STAGES["while training"], "stop")
    first = start(tmp_path)
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)

    second = start(tmp_path).wait(120)
    os.kill(int(mark.read_text()), signal.SIGCONT)

    assert (second, first.wait(240)) == (2, 0)
    assert "another process is carrying out the sweep" in (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed
