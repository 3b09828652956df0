"""What becomes of a worker's process and of those that it starts: its own group, and an end for all of them."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnProcess

__all__ = ["end_group", "lead_a_group", "resident", "surroundings"]

_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2): the signal that a process gets when its parent dies."""


@contextmanager
def surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def lead_a_group(parent: int) -> None:
    """Make this process the leader of its own session and group; on Linux the group dies with it, and it with `parent`.

    To be called before there are threads: a process that waits for the end is forked.
    """
    os.setsid()
    if sys.platform == "linux":
        _die_by(signal.SIGKILL)
        leader = os.getpid()
        if os.fork() == 0:
            _outlive(leader)
    if os.getppid() != parent:  # it died before it could be asked for
        os._exit(1)


def _outlive(leader: int) -> None:
    """Wait until the leader of this group has died, of whatever, and kill what it has left; never return."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    _die_by(signal.SIGUSR1)  # blocked, so that it is waited for
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))  # others learn from closed pipes that the leader has died
    if os.getppid() == leader:
        signal.sigwait({signal.SIGUSR1})
    os.killpg(leader, signal.SIGKILL)


def _die_by(number: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def end_group(process: SpawnProcess) -> None:
    """Kill a process and all of its group, and wait for it; one that has ended by itself keeps its exit code."""
    pid = process.pid
    if pid is None:
        return
    # A dead leader is not waited for before its group is killed: until then nobody else gets its number.
    if process.exitcode is None and _alive(pid):
        process.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    process.join()


def _alive(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def resident(pid: int) -> int:
    """Return the bytes of memory that a process and its children hold; 0 if it has ended."""
    import psutil

    total = 0
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total
