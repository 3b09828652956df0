"""Repairs of suspected false negatives, against plain loops over queries."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import PADDING, Negatives, Pool
from harness.mining.rank import TopK
from harness.mining.repair import Repaired, repaired
from harness.mining.shortage import serve
from harness.spec import RepairSpec
from tests.mining.pools import chosen, frozen, one_row, pools

BRIEF = settings(max_examples=80, deadline=None)
SEEDS = st.integers(0, 2**32)
CAPS = st.sampled_from([None, 0, 1, 2])
ACTIONS = st.sampled_from(["drop_negative", "relabel_positive", "drop_query", "downweight"])


def apply(negatives: Negatives, pool: Pool, suspected: np.ndarray, action: Any, cap: int | None = 8) -> Repaired:
    weight = 0.25 if action == "downweight" else None
    return repaired(negatives, pool, suspected, RepairSpec(action=action, suspect="truth", cap=cap, weight=weight))


def mined(pool: Pool, seed: int) -> tuple[Negatives, np.ndarray]:
    """Mine, and suspect some entries, padding among them."""
    negatives = TopK(k=5).select(pool, np.random.default_rng(0))
    return negatives, np.random.default_rng(seed).random(negatives.document.shape) < 0.3


def suspects(pool: Pool, negatives: Negatives, suspected: np.ndarray) -> dict[int, set[int]]:
    """Suspected documents by query."""
    found: dict[int, set[int]] = {int(query): set() for query in pool.query}
    for row, column in zip(*np.nonzero(suspected), strict=True):
        if negatives.document[row, column] != PADDING:
            found[int(pool.query[row])].add(int(negatives.document[row, column]))
    return found


@BRIEF
@given(pool=pools(), seed=SEEDS, action=ACTIONS, cap=CAPS)
def test_each_action_does_what_it_says_to_every_row_of_a_query(pool: Pool, seed: int, action: Any, cap: Any) -> None:
    negatives, suspected = mined(pool, seed)
    bad = suspects(pool, negatives, suspected)

    result = apply(negatives, pool, suspected, action, cap)

    for row, query in enumerate(pool.query.tolist()):
        before, gone = chosen(negatives, row), bad[query]
        dropped = bool(gone) if action == "drop_query" else cap is not None and len(gone) > cap
        takes_out = action in {"drop_negative", "relabel_positive"}
        after = [document for document in before if not (takes_out and document in gone)]
        weights = [0.25 if action == "downweight" and document in gone else 1.0 for document in after]
        assert after == chosen(result.negatives, row)
        assert [*weights, *[0.0] * (5 - len(after))] == result.weight[row].tolist()
        assert dropped != result.trained[row]
        refused = set(pool.document[row][result.negatives.removed[row]].tolist())
        assert refused == (gone & set(before) if takes_out else set())


@BRIEF
@given(pool=pools(), seed=SEEDS, action=ACTIONS, cap=CAPS)
def test_relabelled_documents_become_positives_once_per_trained_query(
    pool: Pool, seed: int, action: Any, cap: Any
) -> None:
    negatives, suspected = mined(pool, seed)
    bad = suspects(pool, negatives, suspected)

    result = apply(negatives, pool, suspected, action, cap)

    pairs = list(zip(pool.query[result.added_row].tolist(), result.added_document.tolist(), strict=True))
    expected = {(q, d) for q, documents in bad.items() if cap is None or len(documents) <= cap for d in documents}
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == (expected if action == "relabel_positive" else set())


@BRIEF
@given(pool=pools(), seed=SEEDS)
def test_a_shortage_policy_does_not_bring_back_what_repair_took_out(pool: Pool, seed: int) -> None:
    negatives, suspected = mined(pool, seed)
    bad = suspects(pool, negatives, suspected)
    left = apply(negatives, pool, suspected, "drop_negative").negatives

    filled = serve(left, pool, "backfill_deeper", 5, np.random.default_rng(seed)).negatives

    for row, query in enumerate(pool.query.tolist()):
        assert not (set(chosen(filled, row)) & bad[query] & set(chosen(negatives, row)))


def test_the_default_cap_keeps_eight_and_drops_nine() -> None:
    pool = one_row([1 - index / 20 for index in range(12)], 1.0)
    negatives = TopK(k=12).select(pool, np.random.default_rng(0))
    rule = RepairSpec(action="relabel_positive", suspect="truth")

    kept = [repaired(negatives, pool, (np.arange(12) < count)[None, :], rule).trained.tolist() for count in (8, 9)]

    assert kept == [[True], [False]]


def test_negatives_are_not_written_to() -> None:
    pool = one_row([0.9, 0.8], 1.0)
    negatives = TopK(k=2).select(pool, np.random.default_rng(0))
    for part in (negatives.document, negatives.score, negatives.rank, negatives.removed):
        part.setflags(write=False)

    result = apply(negatives, pool, np.array([[True, False]]), "drop_negative")

    assert chosen(result.negatives) == [1]


def test_suspicion_in_one_row_of_a_query_counts_in_all() -> None:
    pool = one_row([0.9, 0.8], 1.0)
    pool = frozen(replace(pool.rows(np.array([0, 0])), positive=np.array([1.0, 0.5], dtype=np.float32)))
    negatives = TopK(k=2).select(pool, np.random.default_rng(0))

    result = apply(negatives, pool, np.array([[True, False], [False, False]]), "drop_negative")

    assert [chosen(result.negatives, row) for row in (0, 1)] == [[1], [1]]


@BRIEF
@given(pool=pools(), seed=SEEDS, action=ACTIONS)
def test_the_suspects_of_a_query_are_listed_in_each_of_its_rows(pool: Pool, seed: int, action: Any) -> None:
    negatives, suspected = mined(pool, seed)
    bad = suspects(pool, negatives, suspected)

    table = apply(negatives, pool, suspected, action).suspects

    listed = [sorted(document for document in row if document != PADDING) for row in table.tolist()]
    assert listed == [sorted(bad[query]) for query in pool.query.tolist()]
