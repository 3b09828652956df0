"""Samplers: published weights, distributions, composition with a filter, and their ratio."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.mining.base import Pool
from harness.mining.margin import Ceiling, TopKPercPos
from harness.mining.rank import TopK
from harness.mining.sampled import SimANS, Top1Sampled, TopKSampled, uniform_in_effect
from harness.registry import MINERS
from tests.mining.pools import candidates, chosen, frozen, miners, moved, one_row, pools

BRIEF = settings(max_examples=80, deadline=None)
SAMPLERS = ("simans", "top1_sampled", "topk_sampled")
SEEDS = st.integers(0, 2**32)
COSINES = [0.95, 0.82, 0.80, 0.70, 0.40]


def many(pool: Pool, n: int) -> Pool:
    """Repeat a pool of one pair as n pairs with keys of their own."""
    keys = np.random.default_rng(9).integers(0, 2**63, n, dtype=np.uint64)
    return frozen(replace(pool.rows(np.zeros(n, dtype=np.int64)), pair_key=keys))


def softmax(values: np.ndarray) -> np.ndarray:
    weights = np.exp(values - values.max())
    return weights / weights.sum()


def assert_frequencies(drawn: np.ndarray, expected: np.ndarray) -> None:
    counts = np.bincount(drawn, minlength=len(expected))
    n = counts.sum()
    assert np.all(np.abs(counts - n * expected) <= 5 * np.sqrt(n * expected * (1 - expected)))


@pytest.mark.parametrize("name", SAMPLERS)
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_draws_come_from_the_best_survivors_as_many_as_there_are(
    name: str, data: st.DataObject, pool: Pool, seed: int
) -> None:
    miner: Any = data.draw(miners(name))
    keep = Ceiling(
        **{part: getattr(miner, part) for part in ("threshold", "margin", "share", "boundary", "positive_agg")}
    ).keep(pool)

    result = miner.select(pool, np.random.default_rng(seed))

    for row in range(len(pool.query)):
        survivors = [candidate.document for candidate in candidates(pool, row) if keep[row, candidate.column]]
        window = survivors[: miner.window]
        assert min(miner.k, len(window)) == len(chosen(result, row))
        assert set(chosen(result, row)) <= set(window)
        if name == "top1_sampled":
            assert window[:1] == chosen(result, row)[:1]
    assert np.array_equal(pool.eligible & ~keep, result.removed)


@BRIEF
@given(pool=pools(), share=st.sampled_from([0.5, 0.95, 1.05]), k=st.integers(1, 6), seed=SEEDS)
def test_a_window_of_k_under_a_share_is_percpos_in_another_order(pool: Pool, share: float, k: int, seed: int) -> None:
    exact = TopKPercPos(share=share, k=k).select(pool, np.random.default_rng(0))

    drawn = TopKSampled(share=share, k=k, window=k).select(pool, np.random.default_rng(seed))

    assert np.array_equal(np.sort(exact.document), np.sort(drawn.document))
    assert np.array_equal(exact.removed, drawn.removed)


def test_softmax_draws_have_softmax_frequencies() -> None:
    pool = many(one_row([0.9, 0.6, 0.5, 0.1, 0.0], 1.0), 20_000)
    miner = TopKSampled(k=2, window=4, temperature=0.25)
    expected = np.append(softmax(np.array([0.9, 0.6, 0.5, 0.1]) / 0.25), 0.0)

    drawn = miner.select(pool, np.random.default_rng(1)).document

    assert_frequencies(drawn[:, 0], expected)
    after_first = expected[[1, 2, 3]] / expected[[1, 2, 3]].sum()
    assert_frequencies(drawn[drawn[:, 0] == 0, 1] - 1, after_first)


def test_top1_draws_the_others_with_softmax_frequencies() -> None:
    pool = many(one_row([0.9, 0.6, 0.5, 0.1], 1.0), 20_000)
    miner = Top1Sampled(k=2, window=3, temperature=0.25)

    drawn = miner.select(pool, np.random.default_rng(1)).document

    assert (drawn[:, 0] == 0).all()
    assert_frequencies(drawn[:, 1] - 1, softmax(np.array([0.6, 0.5]) / 0.25))


def test_a_low_temperature_is_naive_topk() -> None:
    pool = one_row([0.9, 0.6, 0.5, 0.1], 1.0)

    assert chosen(TopK(k=3).select(pool, np.random.default_rng(0))) == chosen(
        TopKSampled(k=3, temperature=0.001).select(pool, np.random.default_rng(0))
    )


@pytest.mark.parametrize(
    ("a", "expected"),
    [(0.5, [0.2015, 0.2038, 0.2038, 0.2028, 0.1881]), (50.0, [0.1115, 0.3366, 0.3434, 0.2083, 0.0001])],
)
def test_simans_weights_at_cosine_scale(a: float, expected: list[float]) -> None:
    pool = one_row(COSINES, 0.80)

    assert np.allclose(expected, softmax(SimANS(a=a).log_weight(pool)[0]), atol=5e-5)


def test_simans_forms_are_the_published_formulas() -> None:
    pool = one_row(COSINES, 0.80)
    distance = pool.score[0].astype(float) - float(pool.positive[0])

    assert np.allclose(-2 * (distance - 0.3) ** 2, SimANS(form="paper", a=2, b=0.3).log_weight(pool)[0])
    assert np.allclose(-2 * (distance + 0.3) ** 2, SimANS(form="released", a=2, b=0.3).log_weight(pool)[0])
    assert np.allclose(-3 * np.abs(distance), SimANS(form="laplace", a=3).log_weight(pool)[0])


@BRIEF
@given(pool=pools(), a=st.sampled_from([0.5, 50.0]), b=st.sampled_from([-0.5, 0.0, 0.25]))
def test_the_released_b_is_minus_the_paper_s(pool: Pool, a: float, b: float) -> None:
    paper, released = SimANS(form="paper", a=a, b=b), SimANS(form="released", a=a, b=-b)

    assert np.array_equal(
        paper.select(pool, np.random.default_rng(1)).document, released.select(pool, np.random.default_rng(1)).document
    )


@pytest.mark.parametrize(("form", "peak"), [("paper", 1.0), ("released", 0.6)])
def test_a_large_a_takes_the_candidates_nearest_to_the_peak(form: Any, peak: float) -> None:
    scores = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    pool = one_row(scores, 0.8)

    drawn = chosen(SimANS(form=form, a=10_000.0, b=0.2, k=2).select(pool, np.random.default_rng(0)))

    assert peak == scores[drawn[0]]


@BRIEF
@given(pool=pools(), offset=st.sampled_from([-0.5, 0.125, 2.0]), seed=SEEDS)
def test_simans_ignores_a_constant_added_to_all_scores(pool: Pool, offset: float, seed: int) -> None:
    miner = SimANS(a=20.0, b=0.25)

    before, after = (
        miner.select(each, np.random.default_rng(seed)).document for each in (pool, moved(pool, offset=offset))
    )

    assert np.array_equal(before, after)


def test_simans_without_a_draws_uniformly() -> None:
    pool = many(one_row(COSINES, 0.80), 10_000)

    drawn = SimANS(a=0.0, k=1).select(pool, np.random.default_rng(0)).document[:, 0]

    assert_frequencies(drawn, np.full(5, 0.2))


def test_laplace_refuses_a_b() -> None:
    with pytest.raises(ValidationError, match=r"b must be 0 with form='laplace', got b=1\.0"):
        SimANS(form="laplace", b=1.0)


@pytest.mark.parametrize("name", SAMPLERS)
@BRIEF
@given(data=st.data(), pool=pools())
def test_the_weight_ratio_is_that_of_the_candidates_drawn_from(name: str, data: st.DataObject, pool: Pool) -> None:
    miner: Any = data.draw(miners(name))
    among, logs = miner.drawn_from(pool), miner.log_weight(pool)

    ratio = miner.weight_ratio(pool)

    for row in range(len(pool.query)):
        weights = [float(logs[row, column]) for column in np.flatnonzero(among[row])]
        if len(weights) < 2:
            assert np.isnan(ratio[row])
        elif max(weights) - min(weights) > 700:
            assert ratio[row] > 1e300
        else:
            assert np.isclose(np.exp(max(weights) - min(weights)), ratio[row])


def test_a_published_a_is_uniform_in_effect_on_cosines_and_a_large_one_is_not() -> None:
    pool = one_row(COSINES, 0.80)

    assert uniform_in_effect(SimANS(a=0.5).weight_ratio(pool))
    assert not uniform_in_effect(SimANS(a=50.0).weight_ratio(pool))
    assert not uniform_in_effect(SimANS().weight_ratio(one_row([0.5], 0.8)))


def test_the_best_of_top1_does_not_count_in_its_ratio() -> None:
    pool = one_row([9.0, 0.5, 0.5], 1.0)

    assert Top1Sampled().weight_ratio(pool).tolist() == [1.0]


def test_every_sampler_is_registered_with_a_ratio() -> None:
    assert all(hasattr(MINERS[name].factory, "weight_ratio") for name in SAMPLERS)
