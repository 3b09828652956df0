"""Negatives with all that is known of them."""

from dataclasses import replace

import numpy as np
import pytest

import harness
from harness import mine, mined
from harness.collection import normalised
from harness.errors import NumericError
from harness.mining.base import PADDING
from harness.mining.margin import TopKPercPos
from harness.mining.shortage import serve
from harness.seeding import generator


def test_negatives_are_those_of_a_sweep_with_the_same_seed(bm25_pool):
    found = mine(bm25_pool, "topk_sampled", seed=3, k=2)
    from harness.mining.sampled import TopKSampled

    chosen = TopKSampled(k=2).select(bm25_pool.pool, generator(3, "mining"))
    expected = serve(chosen, bm25_pool.pool, "backfill_deeper", 2, generator(3, "shortage"))
    assert np.array_equal(found.negatives.document, expected.negatives.document)
    assert np.array_equal(found.mined, expected.mined)


def test_the_fill_of_a_shortage_has_a_stream_of_its_own(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7, seed=3, on_shortage="backfill_random")

    chosen = TopKPercPos(share=0.7).select(bm25_pool.pool, generator(3, "mining"))
    expected = serve(chosen, bm25_pool.pool, "backfill_random", 4, generator(3, "shortage"))
    assert np.array_equal(found.negatives.document, expected.negatives.document)


def test_padding_is_no_known_positive_of_the_query_before(tmp_path):
    # the last document answers the first query, so that padding of the second is one short of it
    pairs = [("alpha", "alpha one"), ("beta", "beta two"), ("alpha", "alpha three")]
    pool = harness.pool(harness.load(pairs), "bm25", depth=3, cache=tmp_path)

    assert mine(pool, "topk").rules["labelled"].sum(axis=1).tolist() == [2, 2, 1]


def test_another_seed_draws_other_negatives(bm25_pool):
    documents = [mine(bm25_pool, "random", seed=seed).negatives.document for seed in (0, 0, 1)]

    assert np.array_equal(documents[0], documents[1])
    assert not np.array_equal(documents[0], documents[2])


def test_every_negative_is_scored_wherever_it_came_from(bm25_pool):
    found = mine(bm25_pool, "random", k=3)

    queries, documents = np.repeat(bm25_pool.pool.query, 3), found.negatives.document.reshape(-1)
    from harness.teachers.lexical import BM25

    expected = BM25().score(bm25_pool.collection, queries, documents, bm25_pool.work)
    assert np.array_equal(found.negatives.score.reshape(-1), expected)
    assert (found.negatives.rank == -1).all()


def test_a_teacher_that_scores_with_nan_is_refused(bm25_pool, monkeypatch):
    monkeypatch.setattr(
        "harness.teachers.lexical.BM25.score", lambda *arguments: np.full(len(arguments[2]), np.nan, dtype=np.float32)
    )

    with pytest.raises(NumericError, match="NaN or infinity"):
        mine(bm25_pool, "random")


def test_backfilled_negatives_are_counted_apart_from_mined_ones(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7, k=4)

    own = (TopKPercPos(share=0.7, k=4).select(bm25_pool.pool, generator(0, "mining")).document != PADDING).sum(axis=1)
    assert (own < 4).any()
    assert np.array_equal(found.mined, own)
    assert np.array_equal(found.backfilled, 4 - own)


def test_each_removed_candidate_is_put_down_to_a_rule(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.9)

    pool, collection = bm25_pool.pool, bm25_pool.collection
    rows = collection.split("train")
    expected = {"labelled": 0, "same_text": 0, "topk_percpos": 0}
    for row in range(len(pool.query)):
        query = pool.query[row]
        labelled = rows.document[rows.labelled & (rows.query == query)].tolist()
        texts = {normalised(collection.document_texts[each]) for each in labelled}
        texts.add(normalised(collection.query_texts[query]))
        for document, score in zip(pool.document[row].tolist(), pool.score[row].tolist(), strict=True):
            if document == PADDING:
                continue
            if document in labelled:
                expected["labelled"] += 1
            elif normalised(collection.document_texts[document]) in texts:
                expected["same_text"] += 1
            elif not np.float32(score) < np.float32(np.float64(pool.positive[row]) * 0.9):
                expected["topk_percpos"] += 1
    assert {rule: int(mask.sum()) for rule, mask in found.rules.items()} == expected
    assert expected["same_text"] > 0


def test_each_of_several_ceilings_is_a_rule_of_its_own(bm25_pool):
    found = mine(bm25_pool, "topk_sampled", share=0.9, threshold=2.5)

    share, threshold = found.rules["topk_sampled_share"], found.rules["topk_sampled_threshold"]
    pool = bm25_pool.pool
    assert np.array_equal(threshold, pool.eligible & ~(pool.score < np.float32(2.5)))
    assert np.array_equal(share | threshold, found.negatives.removed)
    assert (share & ~threshold).any() or (threshold & ~share).any()
    assert list(mine(bm25_pool, "topk_sampled", share=0.9).rules)[2:] == ["topk_sampled"]


def test_only_samplers_have_a_weight_ratio(bm25_pool):
    assert mine(bm25_pool, "topk").weight_ratio is None
    assert mine(bm25_pool, "topk_sampled").weight_ratio.shape == bm25_pool.pool.query.shape


def test_contamination_is_known_only_where_positives_are_hidden(bm25_pool):
    rows = bm25_pool.collection.split("train")
    open_rows = replace(rows, hidden=np.zeros_like(rows.hidden))
    collection = replace(bm25_pool.collection, splits={"train": open_rows})

    assert mine(bm25_pool, "topk").hides
    assert not replace(mine(bm25_pool, "topk"), source=replace(bm25_pool, collection=collection)).hides


def test_a_policy_that_drops_says_which_pairs_are_left(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7, k=4, on_shortage="drop")

    assert 0 < found.yields.dropped == int((~found.trained).sum()) < len(found.trained)
    assert np.array_equal(found.trained, found.mined == 4)


def test_the_module_is_not_hidden_by_a_public_name():
    assert mined.Mined.__module__ == "harness.mined"
