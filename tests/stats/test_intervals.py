import subprocess
import sys

import numpy as np
import pytest

from harness import stats


def test_a_macro_interval_weighs_groups_equally_and_pairs_within_them() -> None:
    large, small = np.full(90, 0.2), np.full(10, 0.8)

    assert stats.macro_interval([large, small], seed=0, resamples=50).mean == pytest.approx(0.5)
    difference = stats.macro_interval([large, small], paired_with=[large - 0.1, small], seed=0, resamples=50)
    assert (difference.mean, difference.low) == (pytest.approx(0.05), pytest.approx(0.05))


def test_every_column_gives_what_it_gives_alone() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.random((40, 3)), rng.random((25, 3))]

    together = stats.macro_intervals(groups, seed=4, resamples=200)

    for column, interval in enumerate(together):
        alone = stats.macro_interval([group[:, column] for group in groups], seed=4, resamples=200)
        assert (interval.mean, interval.low, interval.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert len({interval.low for interval in together}) == 3


def test_the_columns_of_mean_intervals_are_arms_and_those_of_mean_interval_seeds() -> None:
    values = np.array([[0.0, 1.0], [0.0, 1.0]])

    assert [interval.mean for interval in stats.mean_intervals(values, seed=0, resamples=10)] == [0.0, 1.0]
    assert stats.mean_interval(values, seed=0, resamples=10).mean == 0.5


def test_differences_of_columns_are_taken_before_resampling() -> None:
    values = np.random.default_rng(2).random((30, 2))

    (constant, varying) = stats.macro_intervals(
        [values], paired_with=[values - [0.25, 0.0] * values], seed=0, resamples=50
    )

    assert varying.low == varying.high == 0.0
    assert constant.mean == pytest.approx(0.25 * values[:, 0].mean())


def test_a_resample_holds_as_many_queries_as_there_are_and_each_equally_often() -> None:
    from harness.stats.resampling import bootstrap_counts

    counts = np.concatenate(list(bootstrap_counts(7, 5000, np.random.default_rng(3))))

    assert counts.shape == (5000, 7)
    assert set(counts.sum(axis=1)) == {7.0}
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.06)
    assert counts.var(axis=0) == pytest.approx(np.full(7, 6 / 7), abs=0.06)


def test_shapes_that_do_not_pair_or_differ_in_their_arms_are_refused() -> None:
    with pytest.raises(ValueError, match="values must be paired"):
        stats.macro_interval([[0.1, 0.2]], paired_with=[[0.1]], seed=0)
    with pytest.raises(ValueError, match="the same arms"):
        stats.macro_intervals([np.zeros((3, 2)), np.zeros((3, 1))], seed=0)
    with pytest.raises(ValueError, match=r"\(queries, arms\)"):
        stats.mean_intervals(np.zeros((0, 2)), seed=0)


def test_no_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one group"):
        stats.macro_interval([], seed=0)


def test_importing_the_statistics_brings_in_numpy_alone() -> None:
    script = "import sys, harness.stats; print(sorted({'numpy', 'scipy', 'pandas', 'torch'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['numpy']"
