"""Traps for the processes that carry out jobs: killed or stopped once, when one of them comes to a named place."""

import time
from pathlib import Path

from sweeps import sitecustomize

__all__ = ["PEERS", "STAGES", "stopped", "trap"]

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


if any(name in " ".join(sys.orig_argv) for name in {within!r}):
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
    "before the result is renamed": "harness.record:put_in_place",
    "after the result is written": WRITTEN,
}


WORKERS = ("multiprocessing.spawn", "default_worker.py")
"""What stands in the command line of a worker, here and on Ray."""

PEERS = ("harness.training.peer",)
"""And in that of a process that helps one to train."""


def trap(folder: Path, where: str, how: str, within: tuple[str, ...] = WORKERS) -> Path:
    """Have the first worker that comes to `where` killed or stopped; return the file that tells it has happened."""
    mark = folder / "struck"
    sitecustomize(folder, AT.format(where=where, how=how, mark=str(mark), within=within))
    return mark


def stopped(mark: Path) -> int:
    """Wait until a process has stopped in a trap; return its id."""
    deadline = time.monotonic() + 240
    while not (mark.exists() and mark.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(mark.read_text())
