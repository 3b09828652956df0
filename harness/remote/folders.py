"""Folders of files on object storage: whole once the list of their checksums is there, which is put last."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import StorageError
from harness.fingerprint import file_digest
from harness.names import is_plain_name
from harness.remote.storage import Remote

__all__ = ["DamagedThereError", "bring_folder", "put_folder"]


class DamagedThereError(StorageError):
    """What lies on object storage is not what was put there."""


def bring_folder(remote: Remote, name: str, sums: Mapping[str, str], draft: Path) -> None:
    """Copy the files that `sums` lists into `draft` and check each; raise DamagedThereError for one that is not right.

    `sums` maps file name to SHA-256. Raises RemoteError where the files cannot be read.
    """
    for file, expected in sums.items():
        good = is_plain_name(file) and remote.get(f"{name}/{file}", draft / file)
        if not good or file_digest(draft / file) != expected:
            message = f"{remote.name}/{name}/{file[:60]} is not what was put there"
            raise DamagedThereError(message)


def put_folder(remote: Remote, name: str, folder: Path, files: Iterable[str], sums: tuple[str, bytes]) -> None:
    """Put the `files` of a folder there, and last their checksums: the file `sums`, by name and content.

    Checksums of an earlier content go first: killed at any point, there is no folder that
    counts and is not whole. Raises RemoteError where it cannot be written.
    """
    last, content = sums
    remote.delete(f"{name}/{last}")
    for file in sorted(files):
        remote.put(folder / file, f"{name}/{file}")
    remote.write(f"{name}/{last}", content)
