"""Put all that a sweep's numbers rest on into one archive that others can check."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.exchange.archive import pack
from harness.exchange.manifest import Manifest, made_with, write_manifest
from harness.exchange.staging import Staging, take_all
from harness.exchange.trec_files import write_qrels, write_runs
from harness.fingerprint import file_digest
from harness.sweep_files import read_sweep

__all__ = ["Bundled", "bundle", "write_tables"]


@dataclass(frozen=True)
class Bundled:
    """Where a bundle lies, its SHA-256, its size in bytes, how much is in it, and what is not."""

    path: Path
    sha256: str
    bytes: int
    files: int
    runs: int
    remarks: tuple[str, ...]


def bundle(results: Path, output: Path | None = None, *, texts: bool = False) -> Bundled:
    """Write the archive of a sweep's results folder to `output`, by default `<sweep>.zip`.

    The same results give the same bytes. The report and its tables are made anew from what
    goes into the archive; texts of queries and documents go in with `texts` alone. Raises
    StorageError or DataError for results that cannot be trusted or passed on.
    """
    plan = read_sweep(results)
    target = output if output is not None else Path(f"{plan.name}.zip")
    with tempfile.TemporaryDirectory(prefix="winnow-") as parent:
        staging = Staging(results, Path(parent) / "bundle", plan)
        staging.folder.mkdir()
        take_all(staging, texts=texts)
        runs, qrels = write_runs(staging.folder, plan.runs), write_qrels(staging.folder, plan.runs)
        write_tables(staging.folder, Path(parent) / "reports", staging.folder)
        manifest = Manifest(
            sweep=plan.name,
            plan=plan.hash,
            made_with=made_with(),
            trec_runs=runs,
            trec_qrels=qrels,
            cut=tuple(sorted(staging.cut)),
            remarks=tuple(staging.remarks),
        )
        write_manifest(staging.folder, manifest)
        files = sum(path.is_file() for path in staging.folder.rglob("*"))
        pack(staging.folder, target)
    runs_there = {run.fingerprint for run in plan.runs if (results / "runs" / run.fingerprint / "record.json").exists()}
    return Bundled(target, file_digest(target), target.stat().st_size, files, len(runs_there), tuple(staging.remarks))


def write_tables(results: Path, reports: Path, target: Path) -> None:
    """Make the report of a results folder; put its PDF, and its tables as CSV, below `target`."""
    from harness.reporting.report import write_report

    paths = write_report(results, reports)
    shutil.copyfile(paths.pdf, target / "report.pdf")
    (target / "tables").mkdir()
    for path in sorted(paths.pdf.parent.glob("tables/*.csv")):
        shutil.copyfile(path, target / "tables" / path.name)
