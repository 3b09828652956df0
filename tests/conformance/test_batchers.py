"""What every registered batcher must do, whatever it puts together."""

from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.registry import BATCHERS
from harness.training.batching.base import Batcher, Pairs
from tests.training.batching.pairs import arranged, make_pairs, pairs

EVERY = pytest.mark.parametrize("name", BATCHERS.names())
BRIEF = settings(max_examples=25, deadline=None)
SIZES = st.integers(2, 70)


def batcher(name: str) -> Batcher:
    return cast("Batcher", BATCHERS.create(name, {"cluster_size": 4} if name == "topics" else {}))


def orders(name: str, given_pairs: Pairs, batch_size: int, seed: int) -> list[list[int]]:
    found = arranged(batcher(name), given_pairs, epochs=4, batch_size=batch_size, seed=seed)
    return [arrangement.order.tolist() for arrangement in found]


@EVERY
@BRIEF
@given(given_pairs=pairs(), batch_size=SIZES, seed=st.integers(0, 2**16))
def test_every_epoch_holds_every_pair_once(name: str, given_pairs: Pairs, batch_size: int, seed: int) -> None:
    for arrangement in arranged(batcher(name), given_pairs, epochs=4, batch_size=batch_size, seed=seed):
        assert sorted(arrangement.order.tolist()) == list(range(len(given_pairs)))
        assert arrangement.order.dtype == np.int32
        assert arrangement.cluster is None or arrangement.cluster.shape == (len(given_pairs),)


@EVERY
@BRIEF
@given(given_pairs=pairs(), batch_size=SIZES, seed=st.integers(0, 2**16))
def test_the_same_seed_gives_the_same_batches(name: str, given_pairs: Pairs, batch_size: int, seed: int) -> None:
    assert orders(name, given_pairs, batch_size, seed) == orders(name, given_pairs, batch_size, seed)


@EVERY
def test_another_seed_and_another_epoch_give_other_batches(name: str) -> None:
    distinct = make_pairs(np.arange(200), np.arange(200))

    first, second = (orders(name, distinct, 16, seed) for seed in (0, 1))

    assert all(left != right for left, right in zip(first, second, strict=True))
    assert len({tuple(order) for order in first}) == 4


@EVERY
def test_every_entry_says_what_it_does_and_whose_it_is(name: str) -> None:
    entry = BATCHERS[name]

    assert entry.summary.endswith(".")
    assert entry.paper
