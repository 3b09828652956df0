import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.collection import Collection, Judgements
from harness.evaluation.metrics import per_query_metrics
from harness.evaluation.rankings import evaluate_split


def collection_of(relevance: np.ndarray, rng: np.random.Generator) -> Collection:
    """Make a collection whose test grades are `relevance` (queries, documents); one positive in two is hidden."""
    queries, documents = relevance.shape
    rows = [
        (query, document, int(relevance[query, document]), bool(rng.integers(2)))
        for query in range(queries)
        for document in range(documents)
    ]
    return Collection(
        "toy",
        tuple(f"d{index}" for index in rng.permutation(documents)),
        tuple(f"text {index}" for index in range(documents)),
        tuple(f"q{index}" for index in range(queries)),
        tuple(f"query {index}" for index in range(queries)),
        {"test": Judgements.of(rows)},
    )


def by_loops(collection: Collection, scores: np.ndarray) -> dict[str, tuple[float, float, float]]:
    """Compute nDCG@10, MRR@10 and recall@100 from their definitions, ties by descending document id."""
    rows, found = collection.split("test"), {}
    for query in rows.queries:
        grades = dict(zip(rows.document[rows.query == query], rows.grade[rows.query == query], strict=True))
        order = sorted(
            range(len(collection.document_ids)),
            key=lambda index: (scores[query, index], collection.document_ids[index]),
            reverse=True,
        )
        gains = [grades.get(index, 0) for index in order]
        ideal = sorted(grades.values(), reverse=True)
        if not any(ideal):
            continue
        dcg, best = (sum(gain / np.log2(rank + 2) for rank, gain in enumerate(list_[:10])) for list_ in (gains, ideal))
        first = next((rank for rank, gain in enumerate(gains[:10]) if gain > 0), None)
        recall = sum(gain > 0 for gain in gains[:100]) / sum(gain > 0 for gain in ideal)
        found[collection.query_ids[query]] = (dcg / best, 0.0 if first is None else 1 / (first + 1), recall)
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 130))
def test_metrics_are_those_of_their_definitions_also_under_ties(seed, documents):
    rng = np.random.default_rng(seed)
    relevance = rng.choice([0, 0, 0, 1, 2], (4, documents))
    relevance[0] = 0
    relevance[1, 0] = 1
    collection = collection_of(relevance, rng)
    queries = rng.integers(-1, 2, (4, 3)).astype(np.float32)
    vectors = rng.integers(-1, 2, (documents, 3)).astype(np.float32)

    frame = evaluate_split(collection, "test", queries, vectors)

    expected = by_loops(collection, queries @ vectors.T)
    assert frame["query_id"].tolist() == sorted(expected)
    for row in frame.itertuples():
        assert (row.ndcg_at_10, row.mrr_at_10, row.recall_at_100) == pytest.approx(expected[row.query_id], abs=1e-6)
        assert row.split == "test"


def test_a_query_without_a_run_scores_zero_and_one_without_a_positive_is_left_out():
    qrels = {"a": {"d": 1}, "b": {"d": 0}, "c": {"e": 2, "f": 1}}

    frame = per_query_metrics(qrels, {"c": {"e": 1.0, "f": 0.5}})

    assert frame.to_dict("list") == {
        "query_id": ["a", "c"],
        "relevant": [1, 2],
        "ndcg_at_10": [0.0, 1.0],
        "mrr_at_10": [0.0, 1.0],
        "recall_at_100": [0.0, 1.0],
    }


def test_the_reciprocal_rank_is_cut_at_ten():
    run = {f"d{index:02}": 1.0 / (index + 1) for index in range(12)}

    frame = per_query_metrics({"in": {"d09": 1}, "out": {"d10": 1}}, {"in": run, "out": run})

    assert frame["mrr_at_10"].tolist() == pytest.approx([0.1, 0.0])
