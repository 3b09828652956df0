"""The further processes of a training: started ahead of it, and kept for the next one.

Such a process imports for seconds before it can help. Nothing heavy is imported here, so
that a run can start them first of all.
"""

import atexit
import os
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from harness.ranks import Ranks

__all__ = ["Crew", "dismiss", "keep", "summon", "take"]

_waiting: list["Crew"] = []
"""None or one: processes of one process's trainings, which follow each other."""


class Crew:
    """The processes beside the calling one that `ranks` counts, each at the other end of a pipe."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.pipes: list[Connection] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        for rank in range(1, ranks.count):
            self._start(rank)

    @property
    def whole(self) -> bool:
        """Whether none of them has ended."""
        return all(process.poll() is None for process in self.processes)

    def end(self, patience: float = 0.0) -> None:
        """Close the pipes, at which they end by themselves; kill those that need more than `patience` seconds."""
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            process.kill()
            process.wait()

    def _start(self, rank: int) -> None:
        ours, theirs = socket.socketpair()
        device = self.ranks.devices[rank - 1 : rank]
        surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if device:
            surroundings["CUDA_VISIBLE_DEVICES"] = device[0]
        with theirs:
            command = [sys.executable, "-m", "harness.training.peer", str(theirs.fileno())]
            self.processes.append(
                subprocess.Popen(command, env=surroundings, pass_fds=[theirs.fileno()])  # noqa: S603  # our own module
            )
        self.pipes.append(Connection(ours.detach()))


def summon(ranks: Ranks) -> None:
    """Have the processes of the next training start, unless they wait already; one that trains alone needs none."""
    if ranks.count == 1:
        return
    if _waiting and (_waiting[0].ranks != ranks or not _waiting[0].whole):
        dismiss()
    if not _waiting:
        _waiting.append(Crew(ranks))


def take(ranks: Ranks) -> Crew:
    """Return the processes that wait, or new ones; they are the caller's to `keep` or to end."""
    summon(ranks)
    return _waiting.pop()


def keep(crew: Crew) -> None:
    """Have processes wait for the next training; they end with this process, or at `dismiss`."""
    dismiss()
    _waiting.append(crew)


@atexit.register
def dismiss() -> None:
    """End the processes that wait."""
    while _waiting:
        _waiting.pop().end()
