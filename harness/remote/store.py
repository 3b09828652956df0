"""Artefacts of the store on object storage, under `store/<kind>/<key>`; beside each one here, whether it is there."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.fingerprint import digest
from harness.remote.folders import DamagedThereError, bring_folder, put_folder
from harness.remote.storage import Remote, RemoteError

__all__ = ["MANIFEST", "bring_artefact", "put_artefact", "unsent"]

_log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
"""Name of the file in an artefact that maps file name to SHA-256."""


def bring_artefact(remote: Remote, target: Path, draft: Path) -> bool:
    """Fill `draft` with the files of an artefact that is there whole; return whether it was, and leave nothing if not.

    `target` is its place here, `<root>/<kind>/<key>`. A damaged one is taken off the shelf,
    to be put anew by whoever builds it.
    """
    name = _name(target)
    try:
        content = remote.read(f"{name}/{MANIFEST}")
        if content is None:
            return False
        bring_folder(remote, name, _sums(content), draft)
    except DamagedThereError as error:
        _log.warning("%s: built here, and put there anew", error)
        _take_away(remote, name)
    except RemoteError:
        pass  # whoever carries out the sweep hears of it
    else:
        return True
    for path in draft.iterdir():
        path.unlink()
    return False


def put_artefact(remote: Remote, target: Path) -> None:
    """Put an artefact of this machine there, unless it is; note if that fails, for `unsent`."""
    sent, waiting = (target.with_name(f"{target.name}.{word}-{_place(remote)}") for word in ("sent", "unsent"))
    if sent.exists():
        return
    try:
        name = _name(target)
        if remote.read(f"{name}/{MANIFEST}") is None:
            content = (target / MANIFEST).read_bytes()
            put_folder(remote, name, target, _sums(content), (MANIFEST, content))
    except RemoteError:
        waiting.touch()
    else:
        sent.touch()
        waiting.unlink(missing_ok=True)


def unsent(remote: Remote, root: Path) -> Iterator[Path]:
    """Yield the artefacts below `root` that were to be put there and could not be."""
    ending = f".unsent-{_place(remote)}"
    for note in sorted(root.glob(f"*/*{ending}")):
        target = note.with_name(note.name.removesuffix(ending))
        if (target / MANIFEST).exists():
            yield target
        else:
            note.unlink()


def _name(target: Path) -> str:
    return f"store/{target.parent.name}/{target.name}"


def _place(remote: Remote) -> str:
    return digest(remote.name, 8)


def _sums(content: bytes) -> dict[str, str]:
    try:
        found: Any = json.loads(content)
    except ValueError:
        found = None
    well_formed = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if well_formed else {MANIFEST: ""}  # no file has that sum


def _take_away(remote: Remote, name: str) -> None:
    with suppress(RemoteError):  # the next one to read it finds it damaged too
        remote.delete(f"{name}/{MANIFEST}")
