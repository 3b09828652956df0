"""Open a bundle that may be damaged or forged, and form every number in it again."""

import csv
import hashlib
import io
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import WinnowError
from harness.exchange.archive import unpack
from harness.exchange.bundle import write_tables
from harness.exchange.checks import Check, failed, guarded, judged, skipped
from harness.exchange.manifest import MANIFEST, Manifest, made_with, read_manifest
from harness.exchange.ranking_checks import ranking_checks
from harness.exchange.record_checks import names_check, plan_check, record_checks
from harness.exchange.staging import LAYOUT
from harness.exchange.trec_files import read_frame
from harness.fingerprint import file_digest

__all__ = ["UNSEEN", "Verification", "verify"]

UNSEEN = (
    "timings, losses, environment, hashes and failures in a record",
    "the AUC of a query where another moves against it: it takes every document's score",
    "negatives and traces beyond what the report shows of them",
    "a bundle that was made up as a whole, from its rankings on",
)
"""What a forger who also mends the manifest can change without being found."""

_SIX_DIGITS = 2e-6
_FEW = 5
_FIRST = ("parquet", "names")
"""What the other checks build on: they read those files, and use those names as paths."""


@dataclass(frozen=True)
class Verification:
    """A bundle's SHA-256, and what was checked in it, in this order."""

    sha256: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return all(check.outcome != "FAILED" for check in self.checks)


def verify(source: Path, expected: str | None = None) -> Verification:
    """Check the bundle `source`, and its own SHA-256 if one is expected.

    Files are written to a temporary folder only after the archive's list of them has been
    found harmless. Raises DataError for an archive that is refused.
    """
    with tempfile.TemporaryDirectory(prefix="winnow-") as parent:
        folder = Path(parent) / "bundle"
        folder.mkdir()
        names = unpack(source, folder)
        sha256 = file_digest(source)
        checks = list(_archive_checks(names, sha256, expected))
        checks += _content_checks(folder, Path(parent))
    return Verification(sha256, tuple(checks))


def _archive_checks(names: list[str], sha256: str, expected: str | None) -> Iterator[Check]:
    unknown = [f"{name} is no file of a bundle" for name in names if not LAYOUT.fullmatch(name)]
    yield judged("archive", f"{len(names)} plain files, of names and sizes that a bundle uses", unknown)
    if expected is not None:
        wrong = [f"the archive has {sha256}"] if sha256 != expected.lower() else []
        yield judged("digest", "the archive is the one that was expected", wrong)


def _content_checks(folder: Path, work: Path) -> Iterator[Check]:
    try:
        manifest = read_manifest(folder)
    except WinnowError as error:
        yield failed("manifest", str(error))
        return
    steps: dict[str, Callable[[], Iterable[Check]]] = {
        "hashes": lambda: [_hash_check(folder, manifest)],
        "parquet": lambda: [_parquet_check(folder)],
        "names": lambda: [names_check(folder)],
        "plan": lambda: [plan_check(folder, manifest)],
        "records": lambda: record_checks(folder, manifest),
        "rankings": lambda: ranking_checks(folder, manifest),
        "environment": lambda: [_environment_check(folder)],
        "tables": lambda: _report_checks(folder, manifest, work),
    }
    for name, step in steps.items():
        found = list(guarded(name, step))
        yield from found
        if name in _FIRST and any(check.outcome == "FAILED" for check in found):
            return


def _hash_check(folder: Path, manifest: Manifest) -> Check:
    """Compare every file with the manifest."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del there[MANIFEST]
    wrong = [f"{name} is missing" for name in sorted(set(manifest.files) - set(there))]
    wrong += [f"{name} is not in the manifest" for name in sorted(set(there) - set(manifest.files))]
    for name in sorted(set(there) & set(manifest.files)):
        entry, path = manifest.files[name], there[name]
        if (entry.bytes, entry.sha256) != (path.stat().st_size, file_digest(path)):
            wrong.append(f"{name} is not the file that the manifest describes")
    return judged("hashes", f"{len(there)} files have the digests of {MANIFEST}", wrong)


def _parquet_check(folder: Path) -> Check:
    """Read every parquet file, within limits."""
    paths = sorted(folder.rglob("*.parquet"))
    wrong = []
    for path in paths:
        try:
            read_frame(path)
        except WinnowError as error:
            wrong.append(str(error).replace(f"{folder}/", ""))
    return judged("parquet", f"{len(paths)} files can be read", wrong)


def _environment_check(folder: Path) -> Check:
    """Check that files of the environment bear the beginning of their own digest as a name."""
    paths = sorted((folder / "environment").glob("*"))
    if not paths:
        return skipped("environment", "the bundle holds no list of packages")
    wrong = [
        f"environment/{path.name} has other content than its name says"
        for path in paths
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem)
    ]
    return judged("environment", f"{len(paths)} files have the content that their names say", wrong)


def _report_checks(folder: Path, manifest: Manifest, work: Path) -> Iterator[Check]:
    """Make tables and report again and compare."""
    made = work / "again"
    made.mkdir()
    write_tables(folder, work / "reports", made)
    names = sorted({path.name for place in (folder, made) for path in place.glob("tables/*.csv")})
    wrong = [line for name in names for line in _table_differences(folder / "tables" / name, made / "tables" / name)]
    yield judged("tables", f"{len(names)} made again from records and queries", wrong)
    same = (folder / "report.pdf").read_bytes() == (made / "report.pdf").read_bytes()
    makers = {key for key, value in made_with().items() if manifest.made_with.get(key) != value}
    if same or not makers:
        yield judged("report", "made again, byte by byte", [] if same else ["report.pdf differs"])
    else:
        yield skipped("report", f"it was made with another {', '.join(sorted(makers))}")


def _table_differences(stated: Path, formed: Path) -> Iterator[str]:
    """Compare two tables; a column that only one of them has is passed over, unless it is the table."""
    if not stated.exists() or not formed.exists():
        yield f"tables/{stated.name} is {'made again' if formed.exists() else 'in the bundle'} only"
        return
    left, right = (
        list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)) for path in (stated, formed)
    )
    if len(left) != len(right):
        yield f"tables/{stated.name} has {len(left)} rows, made again {len(right)}"
        return
    for number, (one, other) in enumerate(zip(left, right, strict=True), start=1):
        differing = [key for key in one if key in other and not _same(one[key], other[key])]
        for key in differing[:_FEW]:
            yield f"tables/{stated.name}, row {number}: {key} is {one[key]!r}, made again {other[key]!r}"
        if not set(one) & set(other):
            yield f"tables/{stated.name} shares no column with the table made again"


def _same(left: str, right: str) -> bool:
    """Compare two cells: numbers to six digits, all else as it stands."""
    try:
        return left == right or math.isclose(float(left), float(right), rel_tol=_SIX_DIGITS, abs_tol=1e-12)
    except (TypeError, ValueError):
        return False
