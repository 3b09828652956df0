import json
from pathlib import Path

import pandas as pd
import pytest
from synthetic import QUICKSTART, Sweep

from harness.errors import DataError, StorageError
from harness.reporting.results import read_results

SMALL = Sweep(arms=QUICKSTART[2:5], seeds=(0, 1), test=12, dev=6)


def _runs(folder: Path, arm: str) -> list[Path]:
    plan = json.loads((folder / "plan.json").read_text())
    return [folder / "runs" / run["fingerprint"] for run in plan["runs"] if run["arm"] == arm]


def test_runs_belong_to_the_arm_that_the_plan_names(tmp_path: Path) -> None:
    results = read_results(SMALL.write(tmp_path))

    assert set(results.cells) == {(arm.name, "docstrings") for arm in SMALL.arms}
    cell = results.cells["topk", "docstrings"]
    assert cell.scores.shape == (12, 2)
    assert [run.metrics["test"]["ndcg_at_10"] for run in cell.runs] == pytest.approx(cell.scores.mean(axis=0).tolist())
    assert results.baseline == "topk"


def test_failed_and_missing_runs_are_listed_with_their_reason(tmp_path: Path) -> None:
    folder = Sweep(arms=SMALL.arms, seeds=(0, 1), failed=[("random", 1)], missing=[("topk", 0)], test=12).write(
        tmp_path
    )

    results = read_results(folder)

    found = {(item.arm, item.seed): item.kind for item in results.incidents}
    assert found == {("random", 1): "NumericError", ("topk", 0): "missing"}
    assert results.cells["topk", "docstrings"].seeds == (1,)
    assert results.cells["topk", "docstrings"].planned == 2


def test_a_record_at_odds_with_its_per_query_metrics_is_refused(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    path = _runs(folder, "topk")[0] / "per_query.parquet"
    frame = pd.read_parquet(path)
    frame["ndcg_at_10"] = frame["ndcg_at_10"] / 2 + 0.01
    frame.to_parquet(path, index=False)

    with pytest.raises(StorageError, match=r"record\.json says"):
        read_results(folder)


def test_arms_evaluated_on_different_queries_are_not_compared(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    for run in _runs(folder, "topk"):
        frame = pd.read_parquet(run / "per_query.parquet")
        frame["query_id"] = frame["query_id"].str.replace("q1", "other")
        frame.to_parquet(run / "per_query.parquet", index=False)

    with pytest.raises(DataError, match="different test queries"):
        read_results(folder)


def test_seeds_evaluated_on_different_queries_are_refused(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    path = _runs(folder, "topk")[1] / "per_query.parquet"
    frame = pd.read_parquet(path)
    frame["query_id"] = "x" + frame["query_id"]
    frame.to_parquet(path, index=False)

    with pytest.raises(DataError, match="seed 1"):
        read_results(folder)


def test_a_query_listed_twice_is_refused(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    path = _runs(folder, "topk")[0] / "per_query.parquet"
    frame = pd.read_parquet(path)
    frame["query_id"] = "q0"
    frame.to_parquet(path, index=False)

    with pytest.raises(StorageError, match="more than once"):
        read_results(folder)


def test_rows_in_another_order_are_paired_by_query(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    before = read_results(folder).cells["topk", "docstrings"].scores
    path = _runs(folder, "topk")[0] / "per_query.parquet"
    pd.read_parquet(path).sample(frac=1.0, random_state=3).to_parquet(path, index=False)

    assert (read_results(folder).cells["topk", "docstrings"].scores == before).all()


def test_a_metric_that_came_later_is_asked_of_runs_that_have_it(tmp_path: Path) -> None:
    folder = Sweep(arms=QUICKSTART[1:2], test=10, dev=5).write(tmp_path)
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('"metric": "ndcg_at_10"', '"metric": "auc"'))
    run = min((folder / "runs").iterdir())
    frame = pd.read_parquet(run / "per_query.parquet")

    assert read_results(folder).plan.metric == "auc"
    frame.drop(columns="auc").to_parquet(run / "per_query.parquet")
    with pytest.raises(StorageError, match="was recorded before auc was kept: delete that folder"):
        read_results(folder)
