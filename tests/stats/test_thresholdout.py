import json

import numpy as np
import pytest

from harness.errors import ConfigError, NumericError
from harness.stats import Thresholdout

QUESTIONS = [(0.75, 0.72), (0.75, 0.60), (0.5, 0.52), (0.8, 0.65), (0.6, 0.55), (0.7, 0.71)]


def _guard(scale: float = 0.0, budget: int = 3, seed: int = 0, threshold: float = 0.04) -> Thresholdout:
    return Thresholdout(threshold=threshold, scale=scale, budget=budget, seed=seed)


def test_without_noise_the_guarded_half_answers_only_beyond_the_threshold() -> None:
    guard = _guard()

    assert guard.ask(0.75, 0.72) == 0.75
    assert guard.ask(0.75, 0.70) == 0.70
    assert guard.ask(0.70, 0.75) == 0.75
    assert [(answer.side, answer.budget) for answer in guard.log] == [("free", 3), ("guarded", 2), ("guarded", 1)]


def test_at_the_threshold_the_free_half_answers() -> None:
    guard = _guard(threshold=0.25)

    assert guard.ask(0.75, 0.5) == 0.75
    assert guard.ask(0.75, 0.499) == 0.499


def test_the_budget_falls_only_with_the_guarded_half_and_then_nothing_is_answered() -> None:
    guard = _guard(budget=1)
    for _ in range(5):
        guard.ask(0.5, 0.5)
    assert guard.budget == 1
    guard.ask(0.5, 0.9)

    with pytest.raises(ConfigError, match="used up after 6 questions"):
        guard.ask(0.5, 0.5)
    assert (guard.budget, len(guard.log)) == (0, 6)


def test_the_same_seed_gives_the_same_answers_and_another_seed_others() -> None:
    answers = [[_guard(0.05, 6, seed).ask(*question) for question in QUESTIONS] for seed in (1, 1, 2)]

    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_noise_has_the_scales_of_the_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    class Generator:
        def laplace(self, centre: float, scale: float) -> float:
            drawn.append(scale)
            return centre + 0.001 * len(drawn)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Generator())
    guard = _guard(0.01)
    assert drawn == pytest.approx([0.02])

    guard.ask(0.5, 0.5)
    assert drawn == pytest.approx([0.02, 0.04])
    # 0.04 + 0.001 kept from the start, 0.003 drawn for this question, 0.004 for the answer
    assert guard.ask(0.5, 0.5441) == pytest.approx(0.5481)
    assert drawn == pytest.approx([0.02, 0.04, 0.04, 0.01, 0.02])
    # the threshold has been drawn anew: 0.04 + 0.005, and 0.006 for the question
    assert guard.ask(0.5, 0.5509) == 0.5
    assert guard.ask(0.5, 0.5521) == pytest.approx(0.5521 + 0.008)


def test_a_guard_that_was_kept_and_restored_answers_as_one_that_went_on() -> None:
    whole, first = _guard(0.05, 6), _guard(0.05, 6)
    expected = [whole.ask(*question) for question in QUESTIONS]
    before = [first.ask(*question) for question in QUESTIONS[:3]]

    state = json.loads(json.dumps(first.state()))
    second = Thresholdout.restored(state)

    assert second.state() == state
    assert before + [second.ask(*question) for question in QUESTIONS[3:]] == expected
    assert (second.log, second.budget) == (whole.log, whole.budget)


def test_the_guarded_value_is_kept_nowhere() -> None:
    guard = _guard(0.01)
    guard.ask(0.5, 0.123456789)
    guard.ask(0.5, 0.512345678)

    kept = json.dumps(guard.state())
    assert "0.123456789" not in kept
    assert "0.512345678" not in kept


@pytest.mark.parametrize("spoilt", [{"budget": None}, {"log": [{"free": 1}]}, {"generator": {}}, None])
def test_what_is_no_state_is_refused(spoilt: dict[str, object] | None) -> None:
    state = {**_guard().state(), **spoilt} if spoilt is not None else {}

    with pytest.raises(ConfigError, match="not the state of a guard"):
        Thresholdout.restored(state)


@pytest.mark.parametrize("wrong", [{"threshold": -0.1}, {"scale": -0.1}, {"budget": -1}])
def test_settings_below_zero_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be at least 0"):
        Thresholdout(**{"threshold": 0.04, "scale": 0.01, "budget": 3, "seed": 0, **wrong})


def test_values_that_are_not_finite_are_refused_and_not_told() -> None:
    guard = _guard()

    with pytest.raises(NumericError, match="guard needs finite values"):
        guard.ask(0.5, float("nan"))
    assert guard.log == ()
