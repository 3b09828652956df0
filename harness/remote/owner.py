"""Who carries out a sweep that is shared on object storage: `owner.json`, with a beat.

Object storage has no locks. Whoever finds an owner looks twice, by its own clock alone, and
goes on only if the beat has stood still in between. Two that begin within the same moment
both write, wait, and look who was last. An owner that was cut off for longer than others
wait, and wakes up, finds another's token before it next puts something.
"""

import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from pydantic import ValidationError

from harness.errors import ConfigError
from harness.remote.storage import Remote, RemoteError
from harness.spec import Spec

__all__ = ["Owner", "Owning", "owning"]

_log = logging.getLogger(__name__)

_BEAT_SECONDS = 10.0
_LOOK_SECONDS = 35.0
"""Between the two looks at another's beat: more than three of its beats."""

_SETTLE_SECONDS = 2.0
"""Between claiming a sweep and looking whether another has claimed it as well."""


class Owner(Spec):
    """A process that carries out a sweep; no two have the same token."""

    host: str
    pid: int
    token: str
    beat: int = 0


class Owning:
    """That this process owns a sweep on object storage."""

    def __init__(self, remote: Remote, name: str, owner: Owner) -> None:
        self._remote = remote
        self._name = name
        self._owner = owner

    def holds(self) -> bool:
        """Tell whether no other process has taken the sweep; raise RemoteError where that cannot be seen."""
        found = _parsed(self._remote.read(self._name))
        return found is not None and found.token == self._owner.token

    def beat(self) -> None:
        """Show that this process is there, unless another has taken the sweep; raise RemoteError if that fails."""
        if self.holds():
            self._owner = self._owner.model_copy(update={"beat": self._owner.beat + 1})
            self._remote.write(self._name, self._owner.model_dump_json().encode())

    def release(self) -> None:
        """Leave the sweep to others; where that cannot be said, they find out by waiting."""
        with suppress(RemoteError):
            if self.holds():
                self._remote.delete(self._name)


@contextmanager
def owning(remote: Remote, folder: str) -> Iterator[Owning]:
    """Own the sweep in a folder there while inside.

    Raises ConfigError if another process carries it out, RemoteError if the place cannot be reached.
    """
    owned = _claimed(remote, f"{folder}/owner.json")
    ended = Event()
    thread = Thread(target=_beat, args=(owned, ended), name="owner", daemon=True)
    thread.start()
    try:
        yield owned
    finally:
        ended.set()
        thread.join()
        owned.release()


def _claimed(remote: Remote, name: str) -> Owning:
    _require_silence(remote, name)
    owner = Owner(host=socket.gethostname(), pid=os.getpid(), token=uuid.uuid4().hex)
    remote.write(name, owner.model_dump_json().encode())
    time.sleep(_SETTLE_SECONDS)
    owned = Owning(remote, name, owner)
    if not owned.holds():
        raise _taken(remote, name, remote.read(name))
    return owned


def _require_silence(remote: Remote, name: str) -> None:
    first = remote.read(name)
    if first is None:
        return
    _log.warning(
        "%s/%s: %s has not said that it ended; looking again in %.0f s", remote.name, name, _who(first), _LOOK_SECONDS
    )
    time.sleep(_LOOK_SECONDS)
    second = remote.read(name)
    if second is not None and second != first:
        raise _taken(remote, name, second)


def _taken(remote: Remote, name: str, content: bytes | None) -> ConfigError:
    message = f"{_who(content)} is carrying out the sweep that {remote.name}/{name} speaks of: one at a time"
    return ConfigError(message)


def _who(content: bytes | None) -> str:
    owner = _parsed(content)
    return "another process" if owner is None else f"process {owner.pid} on {owner.host}"


def _parsed(content: bytes | None) -> Owner | None:
    try:
        return None if content is None else Owner.model_validate_json(content)
    except ValidationError:
        return None


def _beat(owned: Owning, ended: Event) -> None:
    while not ended.wait(_BEAT_SECONDS):
        with suppress(RemoteError):
            owned.beat()
