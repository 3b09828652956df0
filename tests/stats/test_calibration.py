"""By simulation: tests err as seldom and intervals cover as often as they say."""

import numpy as np
import pytest

from benchmarks import calibration


def _errors(rate: float, draws: int) -> float:
    """Return three Monte Carlo standard errors of a rate."""
    return 3.0 * float(np.sqrt(rate * (1.0 - rate) / draws))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_the_rule_keeps_its_family_wise_error_whatever_the_seeds_do(seeds: int, noise: float) -> None:
    _, by_rule = calibration.family_error(120, seeds=seeds, seed_noise=noise)

    assert by_rule <= 0.05 + _errors(0.05, 120)


def test_queries_alone_mistake_seed_noise_for_differences_and_are_right_without_it() -> None:
    with_noise, _ = calibration.family_error(120, seeds=3, seed_noise=2.0)
    without, _ = calibration.family_error(400, seeds=1, seed_noise=0.0)

    assert with_noise > 0.4
    assert 0.005 <= without <= 0.05 + _errors(0.05, 400)


def test_the_test_over_seeds_keeps_a_level_that_the_usual_degrees_of_freedom_do_not() -> None:
    satterthwaite, _, ours = calibration.seed_test_levels(20_000, seeds=3, level=0.05 / 8)

    assert ours <= 0.05 / 8 + _errors(0.05 / 8, 20_000)
    assert satterthwaite > 0.015


def test_more_seeds_find_more() -> None:
    found = [calibration.family_error(50, seeds=seeds, seed_noise=0.0, shift=0.06)[1] for seeds in (2, 4, 10)]

    assert found[0] < found[1] < found[2]
    assert found[2] > 0.6


def test_benjamini_hochberg_keeps_the_false_discovery_rate() -> None:
    raw, corrected = calibration.false_discovery_rate(150)

    assert corrected <= 0.05 / 2 + 0.02
    assert raw > corrected


def test_power_rises_with_the_difference_and_is_four_fifths_at_the_detectable_one() -> None:
    level, half, detectable, more = (calibration.power_at_detectable(1000, share) for share in (0.0, 0.5, 1.0, 1.5))

    assert level == pytest.approx(0.05, abs=_errors(0.05, 1000))
    assert detectable == pytest.approx(0.80, abs=_errors(0.8, 1000))
    assert level < half < detectable < more


def test_bootstrap_intervals_over_queries_cover() -> None:
    assert 0.93 <= calibration.query_coverage(3000, 200) <= 0.97
    assert 0.93 <= calibration.macro_coverage(3000) <= 0.97


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_interval_over_queries_and_seeds_covers_at_least_as_often_as_it_says(seeds: int) -> None:
    quiet = calibration.seed_coverage(400, seeds=seeds, seed_noise=0.0, residual=0.02)
    alike = calibration.seed_coverage(400, seeds=seeds, seed_noise=2.0, residual=0.2)
    dominating = calibration.seed_coverage(400, seeds=seeds, seed_noise=10.0, residual=0.2)

    # conservative between the extremes, never liberal
    for coverage in (quiet, alike, dominating):
        assert coverage >= 0.95 - _errors(0.95, 400)
    assert dominating <= 0.95 + _errors(0.95, 400)


def test_the_hierarchical_interval_needs_ten_seeds_to_cover_and_with_three_does_not() -> None:
    assert 0.90 <= calibration.hierarchical_coverage(300, seeds=10, seed_noise=0.5) <= 0.98
    assert calibration.hierarchical_coverage(150, seeds=3, seed_noise=2.0) < 0.90


@pytest.mark.parametrize("seeds", [5, 20])
def test_aggregates_over_runs_cover(seeds: int) -> None:
    for coverage in calibration.aggregate_coverage(300, seeds):
        assert 0.95 - _errors(0.95, 300) <= coverage <= 0.97 + _errors(0.97, 300)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_best_arm_is_overstated_less_once_corrected(spread: float) -> None:
    found = calibration.winners_curse(150, spread=spread)

    assert found["naive"] > 0.9
    assert abs(found["corrected"]) < 0.4
    assert found["coverage"] >= 0.95 - _errors(0.95, 150)


def test_the_best_arms_p_keeps_its_level_only_if_the_choice_is_counted() -> None:
    raw, adjusted = calibration.winners_level(300)

    assert adjusted <= 0.05 + _errors(0.05, 300)
    assert raw > 0.15


def test_a_guard_overstates_less_than_looking() -> None:
    by_looking, by_guard = calibration.guard(40)

    assert by_looking > 2.5
    assert by_guard < 1.2
