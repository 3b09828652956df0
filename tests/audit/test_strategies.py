from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from harness.audit.curves import Ground, line_point
from harness.audit.records import LinePoint, Rate
from harness.audit.strategies import agreement, audit_teacher, jaccard, verdict
from harness.mining.base import PADDING, Negatives
from harness.mining.margin import TopKAbs, TopKPercPos
from harness.mining.oracle import Oracle, RandomRemoval
from harness.mining.rank import TopK, TopKShifted
from harness.mining.sampled import SimANS
from tests.audit.grounds import ground_of, grounds, large_ground
from tests.mining.pools import chosen, frozen, one_row


def as_they_are(negatives: Negatives) -> Negatives:
    return negatives


def point(contamination: float | None, high: float = 1.0, full: float = 1.0) -> LinePoint:
    rate = None if contamination is None else Rate(value=contamination, low=0.0, high=high)
    return LinePoint(value=0.0, contamination=rate, hardness=0.0, rank=1.0, full=full)


NAIVE = point(0.4)


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        ("unknown", (point(0.1), point(None), None, 0.5)),
        ("unknown", (point(0.1), point(0.0), None, 0.5)),
        ("no effect", (point(0.4), NAIVE, 0.4, 0.99)),
        ("starves", (point(0.1, 0.12, full=0.89), NAIVE, 0.3, 0.5)),
        ("starves", (point(None, full=1.0), NAIVE, 0.3, 0.5)),
        ("like chance", (point(0.1, 0.3), NAIVE, 0.3, 0.5)),
        ("too mild", (point(0.21, 0.25), NAIVE, 0.3, 0.5)),
        ("suits", (point(0.2, 0.25), NAIVE, 0.3, 0.5)),
        ("suits", (point(0.2, 0.25), NAIVE, None, 0.5)),
        ("suits", (point(0.2, 0.25, full=0.73), point(0.4, full=0.8), 0.3, 0.5)),
    ],
)
def test_verdicts(expected, arguments):
    *positional, same = arguments

    assert verdict(*positional, same=same) == expected


@given(grounds(), grounds())
@settings(max_examples=40)
def test_jaccard_agrees_with_a_loop(one: Ground, other: Ground):
    n = min(len(one.pool.query), len(other.pool.query))
    first, second = (TopK(k=4).select(ground.pool.rows(slice(n)), np.random.default_rng(0)) for ground in (one, other))
    indices = []
    for row in range(n):
        left, right = set(chosen(first, row)), set(chosen(second, row))
        if left | right:
            indices.append(len(left & right) / len(left | right))

    assert jaccard(first, second) == (pytest.approx(np.mean(indices)) if indices else None)


def test_teachers_agree_with_themselves_and_symmetrically():
    pool = large_ground().pool
    other = frozen(replace(pool, document=pool.document[:, ::-1], eligible=pool.eligible[:, ::-1]))

    found = agreement([("a", pool), ("b", other)], 4)

    assert found.jaccard[0][0] == found.jaccard[1][1] == 1.0
    assert found.jaccard[0][1] == found.jaccard[1][0]
    assert found.jaccard[0][1] is not None
    assert found.jaccard[0][1] < 0.5


def test_an_audit_of_a_teacher_by_hand():
    pool = one_row([0.9, 0.75, 0.6, 0.5], positive=0.8)
    ground = ground_of(frozen(replace(pool, hidden=np.array([[True, False, False, True]]))), k=2)
    miners = [("naive", TopK(k=2)), ("percpos", TopKPercPos(k=2, share=0.95)), ("abs", TopKAbs(k=2, threshold=0.55))]

    found = audit_teacher(ground, ("t", "id"), miners, as_they_are)

    naive, percpos, absolute = found.strategies
    assert (found.teacher, found.identity, found.hidden_in_pool) == ("t", "id", 2)
    assert [item.contamination.value for item in found.strategies if item.contamination] == [0.5, 0.0, 1.0]
    assert (percpos.full, percpos.partial, percpos.empty) == (1, 0, 0)
    assert (absolute.full, absolute.partial, absolute.empty) == (0, 1, 0)
    assert (percpos.naive.precision, percpos.naive.recall, percpos.naive.base_rate) == (1.0, 1.0, 0.5)
    assert (percpos.hardness, percpos.rank) == (pytest.approx(0.675 - 0.8), 2.5)
    assert (naive.verdict, absolute.verdict) == ("control", "starves")
    assert percpos.bounds is None
    assert [curve.miner for curve in found.curves] == ["percpos", "abs"]


def test_unknown_documents_bound_the_contamination():
    ground = ground_of(large_ground(queries=40).pool, k=4, rejected=True)

    (found,) = audit_teacher(ground, ("t", "id"), [("shifted", TopKShifted(shift=2))], as_they_are).strategies

    counted = found.counted
    assert found.contamination is not None
    assert found.contamination.value == pytest.approx(counted.hidden / (counted.hidden + counted.judged))
    assert found.bounds == (counted.hidden / counted.total, (counted.hidden + counted.unknown) / counted.total)
    assert found.bounds[0] < found.contamination.value < found.bounds[1]


def test_controls_have_no_curve_and_no_verdict_and_samplers_without_a_ceiling_no_curve():
    ground = large_ground(queries=30)
    miners = [("o", Oracle()), ("r", RandomRemoval()), ("s", SimANS()), ("n", TopK())]

    found = audit_teacher(ground, ("t", "id"), miners, as_they_are)

    assert not found.curves
    assert [item.verdict for item in found.strategies if item.miner != "s"] == ["control"] * 3
    assert found.strategies[2].verdict != "control"


@pytest.mark.parametrize("empty", ["hidden", "eligible"])
def test_a_pool_without_hidden_positives_or_candidates_is_audited_all_the_same(empty: str):
    pool = large_ground(queries=10).pool
    blank = np.zeros_like(pool.eligible)
    gone = replace(pool, hidden=blank) if empty == "hidden" else replace(pool, hidden=blank, eligible=blank)
    ground = ground_of(frozen(gone))

    found = audit_teacher(ground, ("t", "id"), [("p", TopKPercPos(k=2)), ("o", Oracle(k=2))], as_they_are)

    assert found.naive.contamination is None
    assert all(item.contamination is None for item in found.strategies)
    assert found.strategies[0].verdict == "unknown"
    assert empty == "hidden" or found.strategies[0].empty == len(pool.query)
    assert found.curves[0].halving is None
    assert not any(each.frontier for each in found.curves[0].points)


def test_scores_from_outside_the_pool_count_for_hardness():
    ground = large_ground(queries=20)
    negatives = ground.select(TopK(k=4))
    outside = replace(
        negatives,
        score=np.where(negatives.filled, -1.0, np.nan).astype(np.float32),
        rank=np.full_like(negatives.rank, PADDING),
    )

    found = line_point(ground, outside)

    gaps = [-1.0 - float(ground.pool.positive[row]) for row, _ in zip(*np.nonzero(negatives.filled), strict=True)]
    assert found.hardness == pytest.approx(np.mean(gaps), abs=1e-6)
    assert found.rank is None
