"""Runs a command for as long as this process's parent lives: `python -m harness.tracking.guarded COMMAND ...`.

The command and all that it starts end when standard input is closed, which happens in
whatever way the parent ends, SIGKILL included.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

__all__ = ["main"]

_LOOK = 0.5
_GRACE = 5.0


def main(command: list[str]) -> int:
    """Carry out `command` in this process group; once standard input is closed, end the group."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the dashboard's own, without a shell
    while process.poll() is None:
        ready, _, _ = select.select([sys.stdin.buffer], [], [], _LOOK)
        if ready and not os.read(sys.stdin.fileno(), 1):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            os.killpg(0, signal.SIGKILL)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
