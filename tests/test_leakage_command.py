import json

import pandas as pd
import pytest

from harness.cli import main
from harness.query_table import COLUMNS, QueriesJob, read_queries
from harness.registry import DATASETS
from harness.sources.kept import load_collection
from harness.spec import Component
from harness.store import Store
from harness.teachers.base import Workspace

FOLD = {"dataset": {"name": "synthetic", "params": {"topics": 7}}, "fold": 1, "folds": 2}


def leakage(tmp_path, capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["leakage", *arguments, "--results", str(tmp_path)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_train_split_is_compared_with_every_evaluation_split(tmp_path, capsys) -> None:
    code, out, _ = leakage(tmp_path, capsys, "synthetic", "synthetic:seed=1", "--json")

    rows = json.loads(out)
    assert code == 0
    assert len(rows) == len({(row["training"], row["evaluation"], row["split"]) for row in rows}) == 8
    assert {(row["split"], row["queries"], row["train_queries"]) for row in rows} == {("dev", 8, 24), ("test", 8, 24)}


def test_the_table_fits_eighty_columns_and_the_file_has_a_row_per_query(tmp_path, capsys) -> None:
    _, out, _ = leakage(tmp_path, capsys, "synthetic", "--out", str(tmp_path / "leaks.parquet"))

    assert max(map(len, out.splitlines())) <= 80
    assert "synthetic against its own train split (24 queries, 24 positives)" in out
    assert "  test          8" in out
    assert pd.read_parquet(tmp_path / "leaks.parquet").groupby("split").size().to_dict() == {"dev": 8, "test": 8}


def test_every_mistake_is_told_at_once(tmp_path, capsys) -> None:
    wrong = ("synthetic", "synthetic", "no-such", "--threshold", "0", "--out", "leaks.csv")
    code, _, error = leakage(tmp_path, capsys, *wrong)

    assert code == 2
    for expected in ("given twice", "no-such", "--threshold must be in (0, 1], got 0.0", "must be a .parquet file"):
        assert expected in error


def test_the_job_keeps_the_table_once_with_the_parts_of_a_resampled_collection(tmp_path) -> None:
    dataset = Component(name="resttest", params=FOLD)
    identity = DATASETS.create("resttest", FOLD).identity()  # type: ignore[attr-defined]
    work = Workspace(Store(tmp_path / "store"))
    job = QueriesJob(dataset, identity, tmp_path, 1)

    job(work)
    before = (tmp_path / "queries" / identity[:16] / "queries.json").stat().st_mtime_ns
    job(work)

    record, frame = read_queries(tmp_path, identity)
    collection = load_collection(dataset, work.store)
    assert tuple(frame.columns) == COLUMNS
    assert (record.collection, record.train_queries) == (collection.digest, len(collection.split("train").queries))
    parts = frame[frame["split"] == "test"].groupby("part")["query_id"].apply(set).to_dict()
    for part, queries in parts.items():
        assert queries == {collection.query_ids[query] for query in collection.split(part).queries}
    assert set(parts) == {"interpolation", "extrapolation"}
    assert (frame[frame["split"] == "dev"]["part"] == "").all()
    assert (tmp_path / "queries" / identity[:16] / "queries.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "text", ["resttest:fold=2,dataset=synthetic", "restrain:side=extrapolation,dataset=synthetic,k=1"]
)
def test_a_resampled_dataset_can_be_named_on_the_command_line(text, tmp_path, capsys) -> None:
    code, out, error = leakage(tmp_path, capsys, text, "--json")

    assert (code, error) == (0, "")
    assert json.loads(out)[-1]["split"] == "test"
