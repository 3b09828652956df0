from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit.curves import (
    ENOUGH,
    Ground,
    at_hardness,
    contamination,
    curve,
    hardness_at,
    line_point,
    on_frontier,
    oracle_line,
    random_line,
    with_frontier,
)
from harness.audit.records import LinePoint, Rate
from harness.audit.settings import settings as settings_of
from harness.audit.settings import strictness, with_value
from harness.collection import Judgements
from harness.mining.margin import TopKAbs, TopKMarginPos, TopKPercPos
from harness.mining.oracle import Oracle
from harness.mining.rank import RankWindow, TopK, TopKShifted
from harness.mining.sampled import SimANS, TopKSampled
from tests.audit.grounds import ground_of, grounds, large_ground
from tests.mining.pools import candidates, frozen, one_row

RNG = np.random.default_rng(0)


def point(contamination_of: float | None, hardness: float | None, full: float = 1.0) -> LinePoint:
    rate = None if contamination_of is None else Rate(value=contamination_of, low=0.0, high=1.0)
    return LinePoint(value=0.0, contamination=rate, hardness=hardness, rank=1.0, full=full)


def golden() -> Ground:
    """Five candidates of one pair; the first and the third are hidden positives, the second is not eligible."""
    pool = one_row([0.9, 0.85, 0.75, 0.6, 0.5], positive=0.8, ineligible=(1,))
    return ground_of(frozen(replace(pool, hidden=np.array([[True, False, True, False, False]]))), k=2)


def test_a_setting_by_hand():
    found = line_point(golden(), golden().select(TopKShifted(k=2, shift=1)), 1.0)

    assert found.contamination is not None
    assert (found.value, found.contamination.value, found.full) == (1.0, 0.5, 1.0)
    assert found.hardness == pytest.approx((0.75 + 0.6) / 2 - 0.8)
    assert found.rank == 2.5


@given(grounds(), st.integers(1, 3))
@settings(max_examples=60)
def test_contamination_hardness_and_yield_agree_with_a_loop(ground: Ground, shift: int):
    pool, truth = ground.pool, ground.truth
    hidden = known = full = 0
    gaps, ranks = [], []
    for row in range(len(pool.query)):
        taken = list(enumerate(candidates(pool, row), 1))[shift : shift + ground.k]
        full += len(taken) == ground.k
        for rank, candidate in taken:
            gaps.append(candidate.score - float(pool.positive[row]))
            ranks.append(rank)
            hidden += candidate.hidden
            known += not truth.judged_non_relevant or candidate.hidden or candidate.document % 3 == 0

    found = line_point(ground, ground.select(TopKShifted(k=ground.k, shift=shift)))

    assert found.full == full / len(pool.query)
    assert found.hardness == (pytest.approx(np.mean(gaps), abs=1e-6) if gaps else None)
    assert found.rank == (pytest.approx(np.mean(ranks)) if ranks else None)
    if truth.kind == "none" or not known:
        assert found.contamination is None
    else:
        assert found.contamination is not None
        assert found.contamination.value == pytest.approx(hidden / known)
        assert found.contamination.low <= found.contamination.value <= found.contamination.high


def test_without_hidden_positives_contamination_is_unknown_not_zero():
    ground = replace(golden(), truth=type(golden().truth)(Judgements.of([(0, 5, 1, False)])))

    assert contamination(ground, ground.select(TopK(k=2))) is None


@given(grounds())
@settings(max_examples=40)
def test_the_oracle_is_clean_within_the_pool_and_ends_its_line(ground: Ground):
    negatives = ground.select(Oracle(k=ground.k))
    line = oracle_line(ground)

    rate = contamination(ground, negatives)
    assert rate is None or rate.value == 0.0
    assert line[0] == line_point(ground, ground.select(TopK(k=ground.k)), 0.0)
    assert line[-1] == line_point(ground, negatives, 1.0)


def test_on_a_large_pool_the_oracles_line_falls_steadily_and_random_removal_does_not_help():
    ground = large_ground()

    oracle = [each.contamination.value for each in oracle_line(ground) if each.contamination]
    chance = [each.contamination.value for each in random_line(ground) if each.contamination]

    assert oracle == sorted(oracle, reverse=True)
    assert max(chance) - min(chance) < 0.1
    assert oracle[0] == pytest.approx(chance[0])


@given(grounds())
@settings(max_examples=40)
def test_a_stricter_share_keeps_no_more_hidden_positives_of_the_pool(ground: Ground):
    kept = []
    for share in (1.0, 0.9, 0.75, 0.5):
        negatives = TopKPercPos(k=ground.k, share=share).select(ground.pool, RNG)
        kept.append(int((ground.pool.hidden & ground.pool.eligible & ~negatives.removed).sum()))

    assert kept == sorted(kept, reverse=True)


def test_the_frontier_is_what_no_other_point_beats():
    naive = point(0.5, 0.0)
    points = [naive, point(0.3, -0.1), point(0.3, -0.2), point(0.4, -0.1), point(0.1, -0.3), point(0.3, -0.1)]

    assert on_frontier(points, naive) == [True, True, False, False, True, True]


def test_points_that_serve_too_few_pairs_or_know_nothing_stay_off_the_frontier():
    naive = point(0.5, 0.0, full=0.8)
    points = [naive, point(0.0, 0.5, full=0.71), point(0.2, -0.1, full=0.73), point(None, 1.0), point(0.0, None)]

    assert on_frontier(points, naive) == [True, False, True, False, False]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([1.0, 0.5])), max_size=8))
def test_the_frontier_agrees_with_a_loop(values):
    naive = point(1.0, 0.0)
    points = [point(c / 4, h / 4, full) for c, h, full in values]
    able = [(c, h) for c, h, full in values if full >= ENOUGH]
    expected = [
        full >= ENOUGH and not any(a <= c and b >= h and (a, b) != (c, h) for a, b in able) for c, h, full in values
    ]

    assert on_frontier(points, naive) == expected


def test_the_contamination_at_a_hardness_lies_between_points_and_nowhere_else():
    line = [point(0.6, 0.0), point(0.2, -0.4), point(None, -0.8)]

    assert at_hardness(line, -0.1) == pytest.approx(0.5)
    assert at_hardness(line, 0.1) is None
    assert at_hardness(line, -0.5) is None
    assert at_hardness(line, None) is None
    assert at_hardness([], 0.0) is None


def test_the_hardness_at_a_contamination_lies_between_points_and_nowhere_else():
    line = [point(0.6, 0.0), point(0.2, -0.4), point(None, -0.8)]

    assert hardness_at(line, 0.5) == pytest.approx(-0.1)
    assert hardness_at(line, 0.1) is None
    assert hardness_at([], 0.1) is None


def test_the_halving_setting_is_the_mildest_that_halves():
    # candidates 0 to 3 are hidden positives at .9 .8 .7 .6; others follow: half of naive top-4 are left at .7 or below
    pool = one_row([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], positive=1.0)
    ground = ground_of(frozen(replace(pool, hidden=np.arange(8)[None, :] < 4)), k=4)
    naive = line_point(ground, ground.select(TopK(k=4)))

    found = curve(ground, "abs", TopKAbs(k=4), "threshold", naive).halving
    shifted = curve(ground, "shift", TopKShifted(k=4, shift=10), "shift", naive).halving

    assert found is not None
    assert 0.7 <= found.value < 0.8
    assert found.contamination is not None
    assert found.contamination.value == 0.5
    assert shifted is not None
    assert shifted.value == 2.0


def test_bisection_finds_a_milder_setting_than_the_points_of_the_curve():
    ground = large_ground()
    ground = replace(ground, pool=frozen(replace(ground.pool, hidden=ground.pool.eligible_rank < 3)))
    ground = ground_of(ground.pool, k=4)
    naive = line_point(ground, ground.select(TopK(k=4)))

    found = curve(ground, "abs", TopKAbs(k=4), "threshold", naive)

    assert naive.contamination is not None
    assert found.halving is not None
    assert found.halving.contamination is not None
    half = naive.contamination.value / 2
    on_curve = [each for each in found.points if each.contamination and each.contamination.value <= half]
    assert found.halving.contamination.value <= half
    assert found.halving.hardness is not None
    assert found.halving.hardness >= max(each.hardness for each in on_curve if each.full >= ENOUGH * naive.full)


def test_nothing_halves_what_is_not_there():
    clean = ground_of(frozen(replace(golden().pool, hidden=np.zeros((1, 5), dtype=np.bool_))), k=2)
    naive = line_point(clean, clean.select(TopK(k=2)))

    assert curve(clean, "abs", TopKAbs(k=2), "threshold", naive).halving is None


def test_the_curve_holds_the_setting_asked_for_and_marks_its_own_frontier():
    ground = large_ground()
    naive = line_point(ground, ground.select(TopK(k=4)))

    (found,) = with_frontier([curve(ground, "mine", TopKMarginPos(margin=0.037), "margin", naive)], naive)

    values = [each.value for each in found.points]
    assert found.given == 0.037
    assert 0.037 in values
    assert values == sorted(set(values))
    assert [each.frontier for each in found.points] == on_frontier([naive, *found.points], naive)[1:]


def test_a_curve_is_drawn_over_the_parameter_that_is_set():
    assert strictness(TopKPercPos()) == "share"
    assert strictness(TopKSampled(margin=0.1)) == "margin"
    assert strictness(SimANS()) is None
    assert strictness(TopK()) is None


def test_settings_out_of_range_or_at_odds_with_others_are_left_out():
    pool = large_ground(queries=3).pool
    starts = [value for value, _ in settings_of(RankWindow(start=3, stop=6), "start", pool)]

    assert starts == [0.0, 1.0, 2.0, 3.0, 5.0]
    assert with_value(TopKShifted(), "shift", 3.7) == (3.0, TopKShifted(shift=3))
    assert with_value(TopKPercPos(), "share", 0.123456) == (0.1235, TopKPercPos(share=0.1235))


def test_margins_and_thresholds_are_read_off_the_teachers_scores():
    pool = large_ground().pool
    scaled = frozen(replace(pool, score=pool.score * np.float32(10), positive=pool.positive * np.float32(10)))

    for miner, name in ((TopKAbs(threshold=0.0), "threshold"), (TopKMarginPos(margin=0.0), "margin")):
        small = [value for value, _ in settings_of(miner, name, pool)]
        large = [value for value, _ in settings_of(miner, name, scaled)]
        assert large == pytest.approx([10 * value for value in small], rel=0.02, abs=0.02)
