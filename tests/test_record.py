"""Records that were written before a metric was kept."""

from pathlib import Path

import pandas as pd
import pytest

from harness.errors import StorageError
from harness.record import METRICS, PER_QUERY_COLUMNS, read_per_query, read_record
from harness.tracking.entries import run_metrics

KEPT_FIRST = Path(__file__).parent / "golden/first-record"
FIRST = ["split", "query_id", "relevant", "ndcg_at_10", "mrr_at_10", "recall_at_100"]


def test_what_was_kept_first_is_still_read():
    record, frame = read_record(KEPT_FIRST), read_per_query(KEPT_FIRST)

    assert list(frame.columns) == FIRST
    assert record.evaluated == {}
    assert "evaluated" not in record.model_dump()
    assert set(record.metrics["test"]) == {"ndcg_at_10", "mrr_at_10", "recall_at_100"}


def test_a_table_that_lacks_one_of_the_first_columns_is_refused(tmp_path):
    pd.DataFrame({name: [1.0] for name in FIRST if name != "mrr_at_10"}).to_parquet(tmp_path / "per_query.parquet")

    with pytest.raises(StorageError, match="lacks the columns mrr_at_10"):
        read_per_query(tmp_path)


def test_every_metric_is_a_column():
    assert PER_QUERY_COLUMNS[3:] == METRICS


def test_the_metrics_of_a_further_set_bear_a_name_that_mlflow_takes():
    record = read_record(KEPT_FIRST)
    further = record.model_copy(update={"metrics": {"test@sci#1": {"auc": 0.25}}})

    assert run_metrics(further)["test.sci.1/auc"] == 0.25
