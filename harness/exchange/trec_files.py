"""Rankings and judgements of a bundle: from parquet, the form in which a sweep keeps them, to TREC files."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, StorageError
from harness.exchange.manifest import QrelsFile, RunFile
from harness.exchange.trec import packed, qrels_text, run_text
from harness.record import read_record
from harness.spec import PlannedRun
from harness.sums import require_intact

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["grades_of", "read_frame", "scores_of", "write_qrels", "write_runs"]

_LARGEST = 4 << 30
_MOST_ROWS = 200_000_000


def write_runs(folder: Path, runs: Sequence[PlannedRun]) -> tuple[RunFile, ...]:
    """Write the rankings of every run and split below `folder`; runs without rankings are passed over.

    A run that several arms share is named after the first.
    """
    first = {run.fingerprint: run for run in reversed(runs)}
    paths = [(run, folder / "runs" / run.fingerprint / "rankings.parquet") for _, run in sorted(first.items())]
    return tuple(file for run, path in paths if path.exists() for file in _write_run(folder, run, read_frame(path)))


def _write_run(folder: Path, run: PlannedRun, rankings: "pd.DataFrame") -> Iterator[RunFile]:
    (folder / "trec").mkdir(exist_ok=True)
    for split, rows in rankings.groupby("split", sort=True, observed=True):
        name = f"trec/{run.fingerprint}-{_slug(run.arm)}-{_slug(run.dataset)}-{run.seed}"
        name = _free(folder, f"{name}.{_slug(str(split))}", ".trec.gz")
        (folder / name).write_bytes(packed(run_text(scores_of(rows))))
        yield RunFile(file=name, fingerprint=run.fingerprint, split=str(split))


def scores_of(rankings: "pd.DataFrame") -> dict[str, dict[str, float]]:
    """Return query id -> document id -> score of the rows of one split of `rankings.parquet`, in their order."""
    found: dict[str, dict[str, float]] = {}
    columns = (rankings[column].tolist() for column in ("query_id", "document_id", "score"))
    for query, document, score in zip(*columns, strict=True):
        found.setdefault(str(query), {})[str(document)] = score
    return found


def grades_of(qrels: "pd.DataFrame") -> dict[str, dict[str, int]]:
    """Return query id -> document id -> grade of the rows of one split of `qrels.parquet`, in their order."""
    found: dict[str, dict[str, int]] = {}
    columns = (qrels[column].tolist() for column in ("query_id", "document_id", "relevance"))
    for query, document, grade in zip(*columns, strict=True):
        found.setdefault(str(query), {})[str(document)] = int(grade)
    return found


def write_qrels(folder: Path, runs: Sequence[PlannedRun]) -> tuple[QrelsFile, ...]:
    """Write the judgements of every dataset and split below `folder`."""
    names = _dataset_names(folder, runs)
    paths = sorted((folder / "queries").glob("*/qrels.parquet"))
    return tuple(file for path in paths for file in _write_judged(folder, path, names))


def _write_judged(folder: Path, path: Path, names: dict[str, str]) -> Iterator[QrelsFile]:
    dataset = path.parent.name
    (folder / "qrels").mkdir(exist_ok=True)
    for split, rows in read_frame(path).groupby("split", sort=True, observed=True):
        name = _free(folder, f"qrels/{names.get(dataset, dataset)}.{_slug(str(split))}", ".qrels")
        (folder / name).write_text(qrels_text(grades_of(rows)), encoding="utf-8")
        yield QrelsFile(file=name, dataset=dataset, split=str(split))


def _dataset_names(folder: Path, runs: Sequence[PlannedRun]) -> dict[str, str]:
    """Name datasets, by the first 16 digits of their identity, as the plan does."""
    there = [(run, folder / "runs" / run.fingerprint) for run in runs]
    return {
        read_record(path).spec.identities["dataset"][:16]: _slug(run.dataset)
        for run, path in there
        if (path / "record.json").exists()
    }


def read_frame(path: Path) -> "pd.DataFrame":
    """Read a parquet file; raise DataError if it cannot be read, or says that it unpacks to more than 4 GiB."""
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        require_intact(path)
        described = pq.read_metadata(path)
        size = sum(described.row_group(place).total_byte_size for place in range(described.num_row_groups))
        if size > _LARGEST or described.num_rows > _MOST_ROWS:
            raise DataError(f"{path.name} unpacks to {size:,} bytes in {described.num_rows:,} rows: that is too much")
        return pd.read_parquet(path)
    except (OSError, ValueError, StorageError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _slug(text: str) -> str:
    """Return a word that every file system takes as part of a name."""
    return re.sub(r"[^A-Za-z0-9._@]+", "-", text).strip("-.")[:40] or "unnamed"


def _free(folder: Path, stem: str, ending: str) -> str:
    """Return a name that no file of the bundle has yet, capital letters aside."""
    taken = {path.name.casefold() for path in (folder / stem).parent.iterdir()}
    name, number = stem + ending, 2
    while Path(name).name.casefold() in taken:
        name, number = f"{stem}-{number}{ending}", number + 1
    return name
