from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit.curves import Ground
from harness.audit.removal import naive_candidates, removal
from harness.audit.truth import Truth
from harness.collection import Judgements
from harness.mining.margin import TopKPercPos
from harness.mining.oracle import Oracle, RandomRemoval
from tests.audit.grounds import grounds, large_ground, truth_of
from tests.mining.pools import candidates, frozen, one_row

# by hand: candidates 0 to 5 of one pair; 0, 3 and 5 are hidden positives; share 0.9 of 0.8 refuses what reaches 0.72
POOL = one_row([0.9, 0.8, 0.75, 0.6, 0.5, 0.4], positive=0.8)
POOL = frozen(replace(POOL, hidden=np.array([[True, False, False, True, False, True]])))
RNG = np.random.default_rng(0)


def test_the_golden_case_by_hand():
    negatives = TopKPercPos(k=2, share=0.9).select(POOL, RNG)

    near = removal(POOL, negatives, naive_candidates(POOL, 2), truth_of(POOL))
    whole = removal(POOL, negatives, POOL.eligible, truth_of(POOL))

    assert negatives.document.tolist() == [[3, 4]]
    assert (near.candidates, near.hidden, near.removed, near.hidden_removed) == (2, 1, 2, 1)
    assert (near.precision, near.recall, near.base_rate) == (0.5, 1.0, 0.5)
    assert (whole.candidates, whole.hidden, whole.removed, whole.hidden_removed) == (6, 3, 3, 1)
    assert (whole.precision, whole.recall, whole.base_rate) == pytest.approx((1 / 3, 1 / 3, 0.5))


def test_with_judged_documents_only_what_is_known_counts():
    truth = Truth(Judgements.of([(0, 6, 1, False), (0, 0, 1, True), (0, 2, 0, False), (0, 4, 0, False)]))
    negatives = TopKPercPos(k=2, share=0.9).select(POOL, RNG)

    found = removal(POOL, negatives, POOL.eligible, truth)

    assert (found.candidates, found.hidden, found.removed, found.hidden_removed) == (3, 1, 2, 1)


def test_nothing_removed_nothing_hidden_and_nothing_there_divide_by_nothing():
    bare = frozen(replace(POOL, hidden=np.zeros((1, 6), dtype=np.bool_), eligible=np.zeros((1, 6), dtype=np.bool_)))

    found = removal(bare, Oracle().select(bare, RNG), bare.eligible, truth_of(bare))

    assert (found.precision, found.recall, found.base_rate) == (None, None, None)


@given(grounds(), st.sampled_from([0.5, 0.875, 1.0]))
@settings(max_examples=60)
def test_removal_agrees_with_a_loop(ground: Ground, share: float):
    pool, truth = ground.pool, ground.truth
    negatives = TopKPercPos(k=ground.k, share=share).select(pool, RNG)
    counts = [0, 0, 0, 0]
    for row in range(len(pool.query)):
        for candidate in candidates(pool, row)[: ground.k]:
            known = not truth.judged_non_relevant or candidate.hidden or candidate.document % 3 == 0
            gone = bool(negatives.removed[row, candidate.column])
            for place, holds in enumerate((True, candidate.hidden, gone, gone and candidate.hidden)):
                counts[place] += known and holds

    found = removal(pool, negatives, naive_candidates(pool, ground.k), truth)

    assert [found.candidates, found.hidden, found.removed, found.hidden_removed] == counts


@given(grounds())
@settings(max_examples=40)
def test_the_oracle_removes_all_and_only_hidden_positives(ground: Ground):
    negatives = Oracle(k=ground.k).select(ground.pool, RNG)

    found = removal(ground.pool, negatives, ground.pool.eligible, ground.truth)

    assert ground.truth.counted(ground.pool, negatives.document).hidden == 0
    assert found.recall in {1.0, None}
    assert found.precision in {1.0, None}
    assert (found.recall is None) == (found.hidden == 0)


def test_random_removal_is_as_precise_as_the_base_rate():
    ground = large_ground()

    found = removal(
        ground.pool, RandomRemoval(removal=0.4).select(ground.pool, RNG), ground.pool.eligible, ground.truth
    )

    assert found.recall == pytest.approx(0.4, abs=0.03)
    assert found.precision == pytest.approx(found.base_rate, abs=0.03)
