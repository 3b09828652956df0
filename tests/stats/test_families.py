import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from harness import stats

P = st.lists(st.floats(0, 1), max_size=8)


def test_holm_matches_a_worked_example() -> None:
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.5, 0.9]) == [1.0, 1.0]
    assert stats.holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
@settings(max_examples=60, deadline=None)
def test_holm_never_lowers_a_p_and_keeps_their_order(p: list[float]) -> None:
    adjusted = stats.holm(p)

    assert all(before <= after <= 1.0 for before, after in zip(p, adjusted, strict=True))
    ranked = [value for _, value in sorted(zip(p, adjusted, strict=True))]
    assert ranked == sorted(ranked)
    assert all(after <= len(p) * before + 1e-12 for before, after in zip(p, adjusted, strict=True))


def test_the_corrections_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(1)
    for size in range(1, 20):
        p = rng.random(size).round(1) ** 2

        assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
        assert stats.benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_benjamini_hochberg_matches_a_worked_example() -> None:
    assert stats.benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert stats.benjamini_hochberg([0.9, 0.8]) == pytest.approx([0.9, 0.9])
    assert stats.benjamini_hochberg([]) == []


def _compared(shift: float, seed_effects: tuple[float, ...]) -> stats.PairedComparison:
    rng = np.random.default_rng(8)
    table = shift + np.array(seed_effects) + rng.normal(0, 0.1, (300, len(seed_effects)))
    return stats.paired_comparison(table, np.zeros_like(table), seed=0, resamples=500)


def test_a_difference_that_queries_and_seeds_bear_out_is_better_or_worse() -> None:
    better, worse = _compared(0.05, (0.0, 0.0, 0.0)), _compared(-0.05, (0.0, 0.0, 0.0))

    assert better.p_seeds is not None
    assert worse.p_seeds is not None
    assert stats.verdict(better, better.p_permutation, better.p_seeds) == "better"
    assert stats.verdict(worse, worse.p_permutation, worse.p_seeds) == "worse"


def test_a_difference_that_the_seeds_do_not_bear_out_is_within_seed_noise() -> None:
    result = _compared(0.05, (-0.1, 0.0, 0.1))

    assert result.p_permutation < 0.05
    assert result.p_seeds is not None
    assert stats.verdict(result, result.p_permutation, result.p_seeds) == "seeds"


def test_the_level_itself_is_not_below_the_level() -> None:
    result = _compared(0.05, (0.0, 0.0))

    assert stats.verdict(result, 0.05, 0.01) == "noise"
    assert stats.verdict(result, 0.01, 0.05) == "seeds"
    assert stats.verdict(result, 0.049, 0.049) == "better"


def test_one_seed_is_said_only_of_what_the_queries_show() -> None:
    result = _compared(0.05, (0.0,))

    assert stats.verdict(result, 0.01, None) == "one seed"
    assert stats.verdict(result, 0.5, None) == "noise"
