from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit.curves import Ground
from harness.audit.separation import capacity_index, opis, opis_of_negatives, opis_of_teacher
from harness.mining.base import PADDING, Negatives, Pool
from harness.mining.rank import Random, TopK
from tests.audit.grounds import grounds
from tests.mining.pools import one_row

RNG = np.random.default_rng(0)
LEVELS = st.integers(-8, 8).map(lambda level: level / 8)
SCORES = st.lists(st.tuples(st.integers(0, 3), LEVELS), min_size=1, max_size=12)


def columns(pairs: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for _, score in pairs]), np.array([query for query, _ in pairs])


def loop_opis(positives: list[tuple[int, float]], negatives: list[tuple[int, float]]) -> float | None:
    both = {query for query, _ in positives} & {query for query, _ in negatives}
    if not both:
        return None
    pooled = [score for query, score in negatives if query in both]
    low, high = np.quantile(pooled, [0.90, 0.99])
    variances = []
    for threshold in np.linspace(low, high, 50):
        utilities = []
        for query in sorted(both):
            mine = [score for owner, score in positives if owner == query]
            other = [score for owner, score in negatives if owner == query]
            sensitivity = sum(score >= threshold for score in mine) / len(mine)
            specificity = sum(score < threshold for score in other) / len(other)
            total = sensitivity + specificity
            utilities.append(2 * sensitivity * specificity / total if total else 0.0)
        mean = sum(utilities) / len(utilities)
        variances.append(sum((utility - mean) ** 2 for utility in utilities) / len(utilities))
    return sum(variances) / len(variances)


@given(SCORES, SCORES)
@settings(max_examples=60)
def test_opis_agrees_with_a_loop(positives, negatives):
    (positive, positive_query), (negative, negative_query) = columns(positives), columns(negatives)

    found, expected = opis(positive, positive_query, negative, negative_query), loop_opis(positives, negatives)

    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_opis_is_zero_where_one_threshold_serves_all_and_grows_where_scales_differ():
    query = np.arange(4)
    negative = np.tile(np.linspace(0.0, 0.5, 100), 4)
    owners = np.repeat(query, 100)
    alike = opis(np.full(4, 0.9), query, negative, owners)
    moved = opis(np.full(4, 0.9) - query * 0.3, query, negative - np.repeat(query * 0.3, 100), owners)

    assert alike == pytest.approx(0.0, abs=1e-3)
    assert moved is not None
    assert moved > 0.1


@given(grounds())
@settings(max_examples=30)
def test_opis_of_a_teacher_takes_hidden_positives_for_positives(ground: Ground):
    pool = ground.pool
    positives = list(zip(pool.group.tolist(), pool.positive.tolist(), strict=True))
    negatives = []
    for row in range(len(pool.query)):
        for column in np.flatnonzero(pool.eligible[row]):
            kind = positives if pool.hidden[row, column] else negatives
            kind.append((int(pool.group[row]), float(pool.score[row, column])))

    found, expected = opis_of_teacher(pool), loop_opis(positives, negatives)

    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_negatives_without_a_score_have_no_opis_and_no_index():
    pool = one_row([0.9, 0.2], positive=0.8, others=20)
    unscored = Random(k=2).select(pool, RNG)

    assert opis_of_negatives(pool, unscored) is None
    assert capacity_index(pool, unscored) is None


def negatives_of(pool: Pool, *columns_of: int) -> Negatives:
    chosen = [column if column >= 0 else PADDING for column in columns_of]
    return Negatives(
        document=np.array([chosen], dtype=np.int32),
        score=np.array([[pool.score[0, c] if c >= 0 else np.nan for c in chosen]], dtype=np.float32),
        rank=np.array([chosen], dtype=np.int32),
        removed=np.zeros_like(pool.eligible),
    )


def test_the_capacity_index_by_hand():
    pool = one_row([0.75, 0.5, 0.25, 0.0], positive=1.0)

    # hardness (0.75 + 0.25) / 2, safety 1 - 0.75, two negatives
    assert capacity_index(pool, negatives_of(pool, 0, 2)) == pytest.approx(np.log(3) * 2 * 0.5 * 0.25 / 0.75)


@pytest.mark.parametrize("chosen", [(2, 0), (0, 2, 2), (2, 0, 0, PADDING)])
def test_order_repetition_and_padding_leave_the_capacity_index_alone(chosen: tuple[int, ...]):
    pool = one_row([0.75, 0.5, 0.25, 0.0], positive=1.0)

    assert capacity_index(pool, negatives_of(pool, *chosen)) == capacity_index(pool, negatives_of(pool, 0, 2))


def test_no_hardness_or_no_safety_gives_no_capacity():
    pool = one_row([0.75, 0.5, 0.25, 0.0], positive=1.0)
    below = one_row([0.75, 0.5, 0.25, 0.0], positive=0.5)

    assert capacity_index(pool, negatives_of(pool, 3)) == 0.0
    assert capacity_index(below, negatives_of(below, 0, 2)) == 0.0


@given(grounds())
@settings(max_examples=30)
def test_the_capacity_index_does_not_see_an_affine_change_of_scores(ground: Ground):
    def moved(scores: np.ndarray) -> np.ndarray:
        return (scores * np.float32(2.0) + np.float32(1.0)).astype(np.float32)

    other = replace(ground.pool, score=moved(ground.pool.score), positive=moved(ground.pool.positive))

    first, second = (capacity_index(pool, TopK(k=3).select(pool, RNG)) for pool in (ground.pool, other))

    assert first == (None if second is None else pytest.approx(second, abs=1e-9))
