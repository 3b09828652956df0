import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest
from synthetic import QUICKSTART, Sweep

from harness.errors import DataError, StorageError
from harness.fingerprint import digest
from harness.query_table import QueriesRecord, read_queries, write_queries
from harness.reporting.parts import part_tables
from harness.reporting.report import write_report
from harness.reporting.results import read_results

SMALL = Sweep(arms=QUICKSTART[:3], baseline=None, test=20, dev=5)


def keep(folder: Path, dataset: str = "docstrings", size: int = 20, parts: str = "") -> None:
    """Keep a table in which q0 shares a document, q1 is near a query, q2 has a twin, and q3 a near document."""
    row = np.arange(size)
    half = np.where(row % 2 == (dataset == "two"), "extrapolation", "interpolation")
    frame = pd.DataFrame(
        {
            "split": "test",
            "query_id": [f"q{each}" for each in row],
            "relevant": 2,
            "shared": (row == 0) * 1,
            "near": np.isin(row, [0, 3]) * 1,
            "identical_query": row == 2,
            "near_query": np.isin(row, [1, 2]),
            "part": half if parts else "",
        }
    )
    frame = pd.concat([frame, frame.assign(split="dev", shared=2, near=2)])
    record = QueriesRecord(dataset=digest(dataset), collection="c", threshold=0.7, train_queries=3, train_positives=4)
    write_queries(folder, record, frame)


def test_leaked_and_clean_queries_are_averaged_apart(tmp_path: Path) -> None:
    keep(SMALL.write(tmp_path))
    results = read_results(tmp_path)

    (table,) = part_tables(results)

    assert dict(zip(table.parts, table.queries, strict=True)) == {"all": 20, "leaked": 4, "clean": 16}
    for row in table.rows:
        cell = results.cells[row.arm, "docstrings"]
        leaked = np.isin(cell.queries, ["q0", "q1", "q2", "q3"])
        means = [cell.scores.mean(), cell.scores[leaked].mean(), cell.scores[~leaked].mean()]
        assert [score.mean for score in row.scores] == pytest.approx(means)
    assert [row.scores[0].mean for row in table.rows] == sorted(
        (row.scores[0].mean for row in table.rows), reverse=True
    )
    assert "of 20 test queries 1 have a relevant document that is a train positive, 2 have one near" in table.note


def test_interpolation_and_extrapolation_are_averaged_over_queries_of_all_datasets(tmp_path: Path) -> None:
    folder = replace(SMALL, datasets=("one", "two")).write(tmp_path)
    keep(folder, "one", parts="yes")
    keep(folder, "two", parts="yes")
    plan = read_results(folder)
    # the synthetic datasets have different names; give both runs one source with two folds
    for run in folder.glob("runs/*/record.json"):
        text = run.read_text()
        for fold, name in ((1, "one"), (2, "two")):
            old = f'"dataset": {{\n   "name": "{name}",\n   "params": {{}}'
            text = text.replace(old, f'"dataset": {{\n   "name": "resttest",\n   "params": {{"fold": {fold}}}')
        run.write_text(text)

    *_, table = part_tables(read_results(folder))

    assert table.kind == "nearness"
    assert table.queries == (20, 20, 20)
    for row in table.rows:
        one, two = (plan.cells[row.arm, name].scores.mean(axis=1) for name in ("one", "two"))
        even = np.array([int(query[1:]) % 2 == 0 for query in plan.cells[row.arm, "one"].queries])
        near, far = np.where(even, two, one), np.where(even, one, two)
        expected = [near.mean(), far.mean(), (far - near).mean()]
        assert [score.mean for score in row.scores] == pytest.approx(expected)


def test_the_tables_are_exported_and_printed(tmp_path: Path) -> None:
    keep(SMALL.write(tmp_path / "in"))

    paths = write_report(tmp_path / "in", tmp_path / "out")

    files = {path.name: path.read_text() for path in paths.tables if path.suffix != ".parquet"}
    rows = list(csv.DictReader(io.StringIO(files["parts.csv"])))
    assert {(row["part"], row["queries"]) for row in rows} == {("all", "20"), ("leaked", "4"), ("clean", "16")}
    assert len(rows) == 9
    assert "| Arm | all (n = 20) | leaked (n = 4) | clean (n = 16) |" in files["parts.md"]
    assert "Arm & all (n = 20) & leaked (n = 4) & clean (n = 16)" in files["parts.tex"]
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(paths.pdf).pages)
    assert "what the test queries share with training" in text
    assert "leaked (n = 4)" in text


def test_results_without_a_table_of_queries_have_no_parts(tmp_path: Path) -> None:
    paths = write_report(SMALL.write(tmp_path / "in"), tmp_path / "out")

    assert {path.stem for path in paths.tables} == {"ablation", "cost", "judging", "removal"}
    assert part_tables(read_results(tmp_path / "in")) == ()


def test_a_table_that_lacks_a_query_of_the_runs_is_refused(tmp_path: Path) -> None:
    keep(SMALL.write(tmp_path), size=18)

    with pytest.raises(DataError, match="lacks 2 test queries, one is 'q18'"):
        part_tables(read_results(tmp_path))


def test_a_part_without_queries_has_no_mean(tmp_path: Path) -> None:
    sweep = replace(SMALL, test=3)
    keep(sweep.write(tmp_path), size=3)

    (table,) = part_tables(read_results(tmp_path))

    assert table.queries == (3, 3, 0)
    assert all(row.scores[2] is None for row in table.rows)


def test_a_damaged_table_of_queries_is_told(tmp_path: Path) -> None:
    keep(tmp_path)
    folder = next((tmp_path / "queries").iterdir())
    (folder / "queries.parquet").write_bytes(b"no")

    with pytest.raises(StorageError, match=r"queries\.parquet is damaged"):
        read_queries(tmp_path, digest("docstrings"))
    assert read_queries(tmp_path, digest("other")) is None
