"""What tunes a sweep, the objective of a search and early stopping, cannot see the test split."""

from dataclasses import replace

import numpy as np
import pytest
from inline import carried_out

import harness.pipeline
from harness.evaluation.model import SPLITS
from harness.record import read_record
from harness.sweep_files import read_points


@pytest.mark.fault_sweep
def test_a_search_and_early_stopping_ask_for_the_same_when_test_says_something_else(tmp_path, monkeypatch):
    arms = [{"name": "percpos", "miner": {"name": "topk_percpos", "share": 0.8}}]
    stopping = {"epochs": 2, "batch_size": 8, "early_stopping": {"every": 1, "patience": 2}}
    space = {"miner.share": {"low": 0.5, "high": 1.0}, "training.learning_rate": {"low": 1e-4, "high": 1e-2}}
    search = {"arm": "percpos", "trials": 12, "space": space}
    defaults = {"base": "static", "teacher": "bm25", "negatives": 2, "depth": 20, "training": stopping}
    changes = {"seeds": 1, "baseline": None, "arms": arms, "search": search, "defaults": defaults}
    carried_out(tmp_path / "as it is", monkeypatch, minutes=5, **changes)
    original = harness.pipeline.evaluate_run

    def evaluated(model, spec, collection, store, frozen):
        found = original(model, spec, collection, store, frozen)
        test = found.per_query["split"] == "test"
        frame = found.per_query.copy()
        # each run another value, against the order of dev
        mean = frame.loc[~test, "ndcg_at_10"].mean()
        frame.loc[test, "ndcg_at_10"] = 1.0 - mean
        return replace(found, per_query=frame)

    monkeypatch.setattr(harness.pipeline, "evaluate_run", evaluated)
    carried_out(tmp_path / "otherwise", monkeypatch, minutes=5, **changes)

    asked, again = (read_points(tmp_path / name / "results/toy") for name in ("as it is", "otherwise"))
    runs = [
        [read_record(tmp_path / name / "results/toy/runs" / point.runs[0].fingerprint) for point in asked]
        for name in ("as it is", "otherwise")
    ]
    assert SPLITS == ("dev", "test")
    assert asked == again
    assert [run.stopping for run in runs[0]] == [run.stopping for run in runs[1]]
    test = [np.array([run.metrics["test"]["ndcg_at_10"] for run in each]) for each in runs]
    assert (test[0] != test[1]).all()
