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


METRICS = ["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100", "auc"]


def by_loops(collection: Collection, scores: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Compute METRICS from their definitions, ties by descending document id."""
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
        relevant = sum(gain > 0 for gain in ideal)
        recalls = [sum(gain > 0 for gain in gains[:cut]) / relevant for cut in (10, 100)]
        hits = [rank for rank, gain in enumerate(gains[:100]) if gain > 0]
        precision = sum((place + 1) / (rank + 1) for place, rank in enumerate(hits)) / relevant
        mrr = 0.0 if first is None else 1 / (first + 1)
        auc = area(scores[query], order, [index for index, grade in grades.items() if grade > 0])
        found[collection.query_ids[query]] = (dcg / best, mrr, *recalls, precision, auc)
    return found


def area(scores: np.ndarray, order: list[int], relevant: list[int]) -> float:
    """Compare every relevant document with each of the 500 best others, one pair after the other."""
    hard = [index for index in order if index not in relevant][:500]
    pairs = [
        (scores[mine] > scores[other]) + (scores[mine] == scores[other]) / 2 for mine in relevant for other in hard
    ]
    return sum(pairs) / len(pairs) if pairs else 1.0


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
        assert [getattr(row, metric) for metric in METRICS] == pytest.approx(expected[row.query_id], abs=1e-6)
        assert row.split == "test"


def test_a_query_without_a_run_scores_zero_and_one_without_a_positive_is_left_out():
    qrels = {"a": {"d": 1}, "b": {"d": 0}, "c": {"e": 2, "f": 1}}

    frame = per_query_metrics(qrels, {"c": {"e": 1.0, "f": 0.5}})

    assert frame.to_dict("list") == {
        "query_id": ["a", "c"],
        "relevant": [1, 2],
        "ndcg_at_10": [0.0, 1.0],
        "mrr_at_10": [0.0, 1.0],
        "recall_at_10": [0.0, 1.0],
        "recall_at_100": [0.0, 1.0],
        "map_at_100": [0.0, 1.0],
    }


def test_the_reciprocal_rank_is_cut_at_ten():
    run = {f"d{index:02}": 1.0 / (index + 1) for index in range(12)}

    frame = per_query_metrics({"in": {"d09": 1}, "out": {"d10": 1}}, {"in": run, "out": run})

    assert frame["mrr_at_10"].tolist() == pytest.approx([0.1, 0.0])


def line(scores: list[float], grades: dict[int, int], query_id: str = "q") -> tuple[Collection, np.ndarray, np.ndarray]:
    """Return one query with documents d0, d1, ... that score as told, and the vectors that make it so."""
    count = len(scores)
    collection = Collection(
        "line",
        tuple(f"d{index}" for index in range(count)),
        tuple(f"text {index}" for index in range(count)),
        (query_id,),
        ("text 0",),
        {"test": Judgements.of([(0, document, grade, False) for document, grade in grades.items()])},
    )
    vectors = np.array([[score, 1.0] for score in scores], dtype=np.float32)
    return collection, np.array([[1.0, 0.0]], dtype=np.float32), vectors


def test_a_relevant_document_that_ties_its_way_out_of_the_ranking_has_its_true_score():
    frame = evaluate_split(*arranged(line([0.5] * 700, {0: 1})))  # d0 is last of 700 that score alike

    assert frame[["recall_at_100", "auc"]].to_numpy().tolist() == [[0.0, 0.5]]


def test_a_relevant_document_behind_the_hardest_is_above_none_of_them():
    scores = [1.0 - index / 1000 for index in range(700)]

    frame = evaluate_split(*arranged(line(scores, {0: 1, 650: 1})))

    assert frame["auc"].tolist() == [0.5]


def test_only_the_five_hundred_hardest_non_positives_count():
    frame = evaluate_split(*arranged(line([1.0 - index / 1000 for index in range(700)], {250: 1})))

    assert frame["auc"].tolist() == pytest.approx([250 / 500])


def test_a_document_judged_irrelevant_is_a_hard_non_positive():
    frame = evaluate_split(*arranged(line([0.5, 0.9, 0.1], {0: 1, 1: 0})))

    assert frame["auc"].tolist() == [0.5]


def test_without_a_non_positive_nothing_scores_above_a_relevant_document():
    assert evaluate_split(*arranged(line([0.5, 0.2], {0: 1, 1: 2})))["auc"].tolist() == [1.0]


def arranged(made):
    collection, query, documents = made
    return collection, "test", query, documents


def test_the_own_document_is_left_out_of_every_metric():
    collection, query, documents = line([0.9, 0.8, 0.7], {1: 1}, query_id="d0")

    kept = evaluate_split(collection, "test", query, documents, drop_own="never")
    dropped = evaluate_split(collection, "test", query, documents)

    assert kept[["mrr_at_10", "map_at_100", "auc"]].to_numpy().tolist() == [[0.5, 0.5, 0.5]]
    assert dropped[["mrr_at_10", "map_at_100", "auc"]].to_numpy().tolist() == [[1.0, 1.0, 1.0]]


def test_what_takes_the_place_of_the_own_document_is_counted():
    scores = [1.0 - index / 1000 for index in range(700)]
    collection, query, documents = line(scores, {100: 1, 501: 1}, query_id="d0")

    frame = evaluate_split(collection, "test", query, documents)

    # without d0, d100 is at rank 100; 500 non-positives remain, 99 of them before it, 499 before d501
    assert frame[["recall_at_100"]].to_numpy().tolist() == [[0.5]]
    assert frame["auc"].tolist() == pytest.approx([(401 / 500 + 1 / 500) / 2])


def test_a_relevant_own_document_that_is_always_dropped_counts_as_not_found():
    collection, query, documents = line([0.9, 0.8, 0.7], {0: 1, 1: 1}, query_id="d0")

    always = evaluate_split(collection, "test", query, documents, drop_own="always")
    usual = evaluate_split(collection, "test", query, documents)

    assert always[["relevant", "recall_at_10", "map_at_100", "auc"]].to_numpy().tolist() == [[2, 0.5, 0.5, 0.5]]
    assert usual[["recall_at_10", "map_at_100", "auc"]].to_numpy().tolist() == [[1.0, 1.0, 1.0]]


def test_a_tie_at_the_edge_of_the_own_document_keeps_the_order_of_ids():
    collection, query, documents = line([0.9, 0.5, 0.5], {1: 1}, query_id="d0")

    assert evaluate_split(collection, "test", query, documents)["mrr_at_10"].tolist() == [0.5]  # d2 before d1


def test_a_tie_with_the_five_hundred_and_first_non_positive_counts_for_nothing():
    frame = evaluate_split(*arranged(line([0.5] + [1.0] * 500 + [0.5] * 199, {0: 1})))

    assert frame["auc"].tolist() == [0.0]
