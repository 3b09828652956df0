"""`MANIFEST.json` of a bundle: what is in it, digest by digest, and what stands for what."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from harness import __version__
from harness.errors import DataError
from harness.fingerprint import digest, file_digest, folder_digest
from harness.spec import Spec

__all__ = ["MANIFEST", "FileEntry", "Manifest", "QrelsFile", "RunFile", "made_with", "read_manifest", "write_manifest"]

MANIFEST = "MANIFEST.json"
_LARGEST = 64 << 20
_MAKERS = ("matplotlib", "numpy", "pandas", "scipy", "typst")
"""Packages that can change a byte of a table or a report."""


class FileEntry(Spec):
    """The SHA-256 and the size in bytes of one file."""

    sha256: str
    bytes: int


class RunFile(Spec):
    """Which run and split a TREC run holds the rankings of."""

    file: Annotated[str, Field(pattern=r"^trec/[A-Za-z0-9_.@-]+\.trec\.gz$")]
    fingerprint: str
    split: str


class QrelsFile(Spec):
    """Which dataset, by the first 16 digits of its identity, and split a TREC judgement file is of."""

    file: Annotated[str, Field(pattern=r"^qrels/[A-Za-z0-9_.@-]+\.qrels$")]
    dataset: str
    split: str


class Manifest(Spec):
    """What a bundle says of itself.

    `cut` names files in which absolute paths have given way to their last part, so that
    digests over their content cannot be formed again; `remarks` says what is not in the
    bundle though a sweep can have it.
    """

    format: Literal["winnow bundle"] = "winnow bundle"
    schema_version: Literal[1] = 1
    sweep: str
    plan: str
    made_with: dict[str, str]
    trec_runs: tuple[RunFile, ...] = ()
    trec_qrels: tuple[QrelsFile, ...] = ()
    cut: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    files: dict[str, FileEntry] = Field(default_factory=dict)


def made_with() -> dict[str, str]:
    """Return the versions of whatever can change a byte of a report; `source` digests our own code."""
    package = Path(__file__).parent.parent
    source = digest([folder_digest(package, f"**/*.{ending}") for ending in ("py", "typ")], 16)
    found = {"winnow": __version__, "source": source, "python": ".".join(platform.python_version_tuple()[:2])}
    for maker in _MAKERS:
        try:
            found[maker] = version(maker)
        except PackageNotFoundError:
            found[maker] = "absent"
    return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with the digest of every file that lies below `folder`."""
    paths = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    files = {name: FileEntry(sha256=file_digest(path), bytes=path.stat().st_size) for name, path in paths}
    content = manifest.model_copy(update={"files": files}).model_dump(mode="json")
    (folder / MANIFEST).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest; raise DataError if it is missing or malformed."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{MANIFEST} has over {_LARGEST:,} bytes")
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"there is no {MANIFEST}: this is no bundle of winnow") from error
    except ValidationError as error:
        raise DataError(f"{MANIFEST} is malformed: {str(error).splitlines()[0]}") from error
