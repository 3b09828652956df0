"""Starts and ends the process that sends an outbox, and says what it has not sent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from harness.errors import StorageError
from harness.tracking.destination import URI_VARIABLE, Destination
from harness.tracking.outbox import entries_after, read_position

__all__ = ["LOG", "MirrorProcess", "unsent"]

LOG = "mirror.log"


class MirrorProcess:
    """A process that sends the outbox of `results` for as long as this one lives, and a little longer.

    What it has to say goes to `mirror.log`. Raises OSError if it cannot be started.
    """

    def __init__(self, results: Path, destination: Destination) -> None:
        # The address may hold a password: other users see arguments, but not the environment.
        environment = os.environ | {URI_VARIABLE: destination.uri}
        with (results / LOG).open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours, without a shell
                [sys.executable, "-m", "harness.mirroring", str(results), str(destination.root)],
                env=environment,
                start_new_session=True,  # Ctrl-C is for the sweep, which then says that it was interrupted
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def end(self, seconds: float) -> None:
        """Let it send what is left, for so many seconds at most; then end it."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        except BaseException:  # a second Ctrl-C while waiting
            self._process.kill()
            raise


def unsent(results: Path, destination: Destination) -> str:
    """Say how much of an outbox has not been sent and what finishes it; nothing if all has been."""
    try:
        count = sum(1 for _ in entries_after(results, read_position(results, destination.label)))
    except StorageError as error:  # no reason for a sweep to fail that has come to its end
        return f"MLflow: {error}"
    if not count:
        return ""
    server = f" --tracking-uri {destination.address}" if destination.uri else ""
    return (
        f"MLflow: {count} entries of {results} are not mirrored to {destination.name} yet ({results / LOG} says why); "
        f"results are not affected, and `winnow track {results}{server}` finishes it"
    )
