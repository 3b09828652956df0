"""On the same TREC runs and judgements our metrics are those of trec_eval and ranx.

trec_eval orders documents of equal score by descending id, whatever rank a run file
gives them, and compares scores as float32. ranx leaves the order of equal scores to
its sort: it is compared on runs without ties.
"""

import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import pytrec_eval

from harness.evaluation.metrics import per_query_metrics
from harness.exchange.trec import parse_qrels, parse_run, qrels_text, run_text

QUERIES = 60
DOCUMENTS = [f"d{index:03}" for index in range(140)]


def _qrels() -> dict[str, dict[str, int]]:
    """Judgements with grades up to 3, zeros and negatives among them, and 1 to 12 judged documents a query."""
    rng = np.random.default_rng(5)
    found = {}
    for query in range(QUERIES):
        chosen = rng.choice(DOCUMENTS, 1 + query % 12, replace=False)
        found[f"q{query}"] = {str(name): int(rng.integers(-1, 4)) for name in chosen}
        found[f"q{query}"][str(chosen[0])] = 1 + query % 3
    return found


def _runs(*, ties: bool) -> dict[str, dict[str, float]]:
    """A hundred documents a query, better than chance."""
    rng = np.random.default_rng(6)
    found = {}
    for query, relevant in _qrels().items():
        scores = rng.permutation(len(DOCUMENTS)) / 100.0 + [0.6 * max(relevant.get(name, 0), 0) for name in DOCUMENTS]
        scores = np.round(scores, 1) if ties else scores + np.arange(len(DOCUMENTS)) * 1e-5
        ordered = sorted(zip(scores.astype(np.float32).tolist(), DOCUMENTS, strict=True), reverse=True)
        found[query] = {name: score for score, name in ordered[:100]}
    return found


def _through_files(*, ties: bool) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    return parse_qrels(qrels_text(_qrels()), "qrels"), parse_run(run_text(_runs(ties=ties)), "run")


@pytest.mark.parametrize("ties", [False, True])
def test_metrics_are_those_of_trec_eval_query_by_query(ties):
    qrels, runs = _through_files(ties=ties)
    names = {
        "ndcg_at_10": ("ndcg_cut.10", "ndcg_cut_10"),
        "recall_at_10": ("recall.10", "recall_10"),
        "recall_at_100": ("recall.100", "recall_100"),
        "map_at_100": ("map_cut.100", "map_cut_100"),
    }

    ours = per_query_metrics(qrels, runs).set_index("query_id")

    for name, (asked, measure) in names.items():
        theirs = pytrec_eval.RelevanceEvaluator(qrels, {asked}).evaluate(runs)
        assert {query: row[measure] for query, row in theirs.items()} == ours[name].to_dict()
    full = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(runs)
    # trec_eval's reciprocal rank knows no cut-off: one below 1/10 is ours cut to 0
    expected = {query: row["recip_rank"] if row["recip_rank"] > 0.0999 else 0.0 for query, row in full.items()}
    assert expected == ours["mrr_at_10"].to_dict()


def test_documents_of_equal_score_count_in_descending_order_of_their_ids():
    qrels = {"q": {"a": 1}}
    runs = {"q": {"a": 0.5, "b": 0.5}}

    assert per_query_metrics(qrels, runs)["mrr_at_10"].tolist() == [0.5]
    assert per_query_metrics(qrels, {"q": {"a": 0.5, "B": 0.5}})["mrr_at_10"].tolist() == [1.0]


def _by_ranx(qrels: dict[str, dict[str, int]], runs: dict[str, dict[str, float]], names: list[str]) -> pd.DataFrame:
    """Have ranx score the runs in a process of its own, uncompiled: compiling takes longer than so few queries."""
    asked = json.dumps({"qrels": qrels, "runs": runs, "names": names})
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", _RANX], input=asked, env=environment, capture_output=True, text=True, check=True
    )
    return pd.DataFrame(json.loads(done.stdout.splitlines()[-1]))


_RANX = """
import json, sys
import ranx
asked = json.load(sys.stdin)
run = ranx.Run(asked["runs"])
ranx.evaluate(ranx.Qrels(asked["qrels"]), run, asked["names"], threads=1)
print(json.dumps({name: {query: float(score) for query, score in run.scores[name].items()} for name in asked["names"]}))
"""


@pytest.mark.skipif(find_spec("ranx") is None, reason="ranx is no part of this environment")
def test_metrics_are_those_of_ranx_query_by_query():
    qrels, runs = _through_files(ties=False)
    names = {
        "ndcg_at_10": "ndcg@10",
        "mrr_at_10": "mrr@10",
        "recall_at_10": "recall@10",
        "recall_at_100": "recall@100",
        "map_at_100": "map@100",
    }

    ours = per_query_metrics(qrels, runs).set_index("query_id")
    # ranx takes a negative grade as a gain, trec_eval as none
    judged = {query: {name: max(grade, 0) for name, grade in row.items()} for query, row in qrels.items()}
    theirs = _by_ranx(judged, runs, list(names.values())).rename(columns={old: new for new, old in names.items()})

    pd.testing.assert_frame_equal(
        theirs.sort_index(), ours[list(names)].sort_index(), rtol=0.0, atol=1e-12, check_names=False
    )
    assert 0.05 < ours["ndcg_at_10"].mean() < 0.95


def test_the_runs_compared_have_ties_and_no_ties_where_they_should():
    tied = [
        sum(one == other for one, other in itertools.pairwise(documents.values()))
        for documents in _runs(ties=True).values()
    ]

    assert min(tied) > 10
    assert all(len(set(documents.values())) == 100 for documents in _runs(ties=False).values())
