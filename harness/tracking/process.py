"""Starts and ends the processes that write mirrors beside a sweep, and says what has not been sent."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import StorageError
from harness.tracking.destination import URI_VARIABLE, Destination
from harness.tracking.outbox import entries_after, read_position
from harness.tracking.study_storage import STORAGE_VARIABLE, StudyStorage

__all__ = ["LOG", "STUDY_LOG", "MirrorProcess", "StudyProcess", "is_input_closed", "unsent"]

LOG = "mirror.log"
STUDY_LOG = "study.log"


class _SideProcess:
    """A process of this Python that goes on for as long as this one lives, and a little longer.

    What it has to say goes to `log`. Addresses, which may hold a password, belong into
    `environment`: other users see arguments, but not the environment. Raises OSError if it
    cannot be started.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("wb") as file:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours, without a shell
                [sys.executable, "-m", *arguments],
                env=os.environ | environment,
                start_new_session=True,  # Ctrl-C is for the sweep, which then says that it was interrupted
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
            )

    def end(self, seconds: float) -> bool:
        """Let it send what is left, for so many seconds at most; then end it. Return whether it sent all."""
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
        return self._process.returncode == 0


class MirrorProcess(_SideProcess):
    """Sends the outbox of `results` to MLflow."""

    def __init__(self, results: Path, destination: Destination) -> None:
        arguments = ["harness.mirroring", str(results), str(destination.root)]
        super().__init__(arguments, {URI_VARIABLE: destination.uri}, results / LOG)


class StudyProcess(_SideProcess):
    """Sends the `study.json` of `results` to Optuna's storage."""

    def __init__(self, results: Path, storage: StudyStorage) -> None:
        super().__init__(
            ["harness.study_mirroring", str(results)], {STORAGE_VARIABLE: storage.url}, results / STUDY_LOG
        )


def is_input_closed(seconds: float) -> bool:
    """Wait for so many seconds at most and tell whether the process that started this one has ended it, or itself."""
    ready, _, _ = select.select([sys.stdin.buffer], [], [], seconds)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


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
