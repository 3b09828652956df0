"""A sweep that others may go on with: what is done between its steps where it is shared on object storage."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import WinnowError
from harness.remote.owner import Owning, owning
from harness.remote.results import RemoteResults
from harness.remote.storage import Remote, RemoteError
from harness.store import Store

__all__ = ["Sharing", "sharing"]

_log = logging.getLogger(__name__)

_ROUNDS = 4
_WAIT_SECONDS = 15.0
"""How often what is there is asked for, and how long is waited in between, when a call fails for good."""


class Sharing:
    """A sweep that is not shared: nothing is to be done."""

    def begin(self) -> None:
        """Bring what others have done."""

    def planned(self) -> None:
        """Put the plan, and what an earlier call could not put."""

    def run_ended(self, fingerprint: str) -> None:
        """Put a run."""

    def finish(self) -> int:
        """Put all that is not there; return how much could not be put."""
        return 0


class _Shared(Sharing):
    """A sweep shared on object storage, which may fail at any time: the sweep goes on, and `finish` catches up."""

    def __init__(self, remote: Remote, store: Path, folder: Path, stack: ExitStack) -> None:
        self._remote = remote
        self._store = store
        self._results = RemoteResults(remote, folder)
        self._stack = stack
        self._owning: Owning | None = None
        self._brought = False
        self._lost = False

    def begin(self) -> None:
        try:
            self._connect(late=False)
        except RemoteError:
            _log.info("%s is out of reach", self._remote.name)  # it has warned

    def planned(self) -> None:
        if self._brought:
            self._results.put_all()

    def run_ended(self, fingerprint: str) -> None:
        if not self._brought or self._lost:
            return
        try:
            if self._holds():
                self._results.put_run(fingerprint)
                self._results.put_grown()
        except RemoteError:
            _log.info("run %s is put at the end", fingerprint)

    def finish(self) -> int:
        self._remote.try_again()
        unsent = Store(self._store, self._remote).catch_up()
        if self._lost:
            return unsent + 1
        try:
            self._connect(late=True)
            return unsent + (self._results.put_all() if self._holds() else 1)
        except WinnowError as error:
            _log.warning("the results are not put on %s: %s", self._remote.name, error)
            return unsent + 1

    def _connect(self, *, late: bool) -> None:
        """Become the sweep's owner and bring what is there, unless that is done.

        What has begun is not given up lightly: a run that is there and not brought would be
        carried out twice.
        """
        if self._owning is None:
            self._owning = self._stack.enter_context(owning(self._remote, self._results.place))
        for left in range(0 if self._brought else _ROUNDS, 0, -1):
            try:
                self._results.bring(late=late)
            except RemoteError:
                if left == 1:
                    raise
                time.sleep(_WAIT_SECONDS)
                self._remote.try_again()
            else:
                self._brought = True
                return

    def _holds(self) -> bool:
        if self._owning is not None and self._owning.holds():
            return True
        _log.warning("%s/%s was taken over: nothing more is put there", self._remote.name, self._results.place)
        self._lost = True
        return False


@contextmanager
def sharing(remote: Remote | None, store: Path, folder: Path) -> Iterator[Sharing]:
    """Share the sweep in `folder` on `remote` while inside; without one, do nothing.

    Raises ConfigError if another process carries out the sweep there, StorageError if what
    is there and what is here cannot both be true.
    """
    if remote is None:
        yield Sharing()
        return
    with ExitStack() as stack:
        shared = _Shared(remote, store, folder, stack)
        shared.begin()
        yield shared
