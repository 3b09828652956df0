"""Check the rankings of a bundle: both forms of each, and the metrics that follow from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.evaluation.metrics import per_query_metrics
from harness.exchange.checks import Check, judged, skipped
from harness.exchange.manifest import Manifest
from harness.exchange.record_checks import AGREED, finished_runs
from harness.exchange.trec import parse_qrels, parse_run, unpacked
from harness.exchange.trec_files import grades_of, read_frame, scores_of
from harness.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ranking_checks"]

_LARGEST = 2 << 30
"""Bytes of text in one TREC run."""

_FORMED_AGAIN = ("relevant", "ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100")
"""Columns that follow from the first hundred documents and the judgements."""

_SHOWN = 3
"""How many queries of one run are named."""

Scores = dict[str, dict[str, float]]
Grades = dict[str, dict[str, int]]


def ranking_checks(folder: Path, manifest: Manifest) -> Iterator[Check]:
    """Compare judgements and rankings with their parquet files, then the metrics with what both give."""
    qrels, wrong = _judgements(folder, manifest)
    if not manifest.trec_qrels and not wrong:
        yield skipped("judgements", "there are none in this bundle")
    else:
        yield judged("judgements", f"{len(qrels)} TREC files are as their parquet files", wrong)
    runs, wrong = _rankings(folder, manifest)
    if not manifest.trec_runs and not wrong:
        yield skipped("rankings", "there are none in this bundle: metrics of queries stand alone")
        return
    yield judged("rankings", f"{len(runs)} TREC runs are as their parquet files", wrong)
    yield _metrics_check(folder, qrels, runs)


def _judgements(folder: Path, manifest: Manifest) -> tuple[dict[tuple[str, str], Grades], list[str]]:
    """Return the judgements by dataset and split, and where both forms of them differ."""
    found: dict[tuple[str, str], Grades] = {}
    wrong: list[str] = []
    for file in manifest.trec_qrels:
        text = (folder / file.file).read_text(encoding="utf-8")
        found[file.dataset, file.split] = parse_qrels(text, file.file)
    for path in sorted((folder / "queries").glob("*/qrels.parquet")):
        for split, rows in read_frame(path).groupby("split", observed=True):
            key = (path.parent.name, str(split))
            if found.get(key) != grades_of(rows):
                wrong.append(f"queries/{key[0]}/qrels.parquet: {split} is not as in the TREC file")
    known = {path.parent.name for path in (folder / "queries").glob("*/qrels.parquet")}
    wrong += [f"{file.file} has no qrels.parquet" for file in manifest.trec_qrels if file.dataset not in known]
    return found, wrong


def _rankings(folder: Path, manifest: Manifest) -> tuple[dict[tuple[str, str], Scores], list[str]]:
    """Return the rankings by fingerprint and split, and where both forms of them differ."""
    found: dict[tuple[str, str], Scores] = {}
    wrong: list[str] = []
    for file in manifest.trec_runs:
        text = unpacked((folder / file.file).read_bytes(), _LARGEST, file.file)
        found[file.fingerprint, file.split] = parse_run(text, file.file)
    kept = {path.parent.name: read_frame(path) for path in sorted((folder / "runs").glob("*/rankings.parquet"))}
    for fingerprint, frame in kept.items():
        for split, rows in frame.groupby("split", observed=True):
            if found.get((fingerprint, str(split))) != scores_of(rows) or not _ranks_count_from_one(rows):
                wrong.append(f"runs/{fingerprint}/rankings.parquet: {split} is not as in the TREC run")
    wrong += [f"{file.file} has no rankings.parquet" for file in manifest.trec_runs if file.fingerprint not in kept]
    return found, wrong


def _ranks_count_from_one(rows: "pd.DataFrame") -> bool:
    return bool((rows.groupby("query_id", observed=True).cumcount() + 1 == rows["rank"]).all())


def _metrics_check(folder: Path, qrels: dict[tuple[str, str], Grades], runs: dict[tuple[str, str], Scores]) -> Check:
    wrong: list[str] = []
    queries = unranked = 0
    for _, record in finished_runs(folder):
        frame = read_frame(folder / "runs" / record.fingerprint / "per_query.parquet")
        for split, rows in frame.groupby("split", observed=True):
            key = (record.fingerprint, str(split))
            if key not in runs:
                unranked += len(rows)
                continue
            queries += len(rows)
            judgements = _judgements_of(record, str(split), qrels)
            wrong += [f"runs/{key[0]}, {split}: {line}" for line in _metric_differences(rows, judgements, runs[key])]
    text = f"{queries:,} query results follow from rankings and judgements"
    return judged("metrics", text + (f"; {unranked:,} have no ranking" if unranked else ""), wrong)


def _judgements_of(record: RunRecord, split: str, qrels: dict[tuple[str, str], Grades]) -> Grades:
    key = (record.spec.identities["dataset"][:16], split)
    if key not in qrels:
        raise DataError(f"there are no judgements of {split} for run {record.fingerprint}")
    return qrels[key]


def _metric_differences(rows: "pd.DataFrame", qrels: Grades, run: Scores) -> Iterator[str]:
    stated = rows.set_index("query_id").sort_index()
    formed = per_query_metrics(qrels, run).set_index("query_id").sort_index()
    if list(stated.index) != list(formed.index):
        yield f"{len(set(stated.index) ^ set(formed.index))} queries have a result or judgements, not both"
        return
    for column in (name for name in _FORMED_AGAIN if name in stated.columns):
        off = (stated[column] - formed[column]).abs()
        differing = off[~(off <= AGREED)]
        for query in differing.index[:_SHOWN]:
            yield f"{column} of {query} is {stated[column][query]!r}, formed again {formed[column][query]!r}"
        if len(differing) > _SHOWN:
            yield f"{column} of {len(differing) - _SHOWN} further queries differs too"
