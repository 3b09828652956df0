"""When a point is given up: one-sided, averaged over seeds, in blocks of queries."""

import numpy as np
import pytest
from search_folders import TEMPLATE, Bench, share_of, sweep

from harness.config import with_values
from harness.plan import expand
from harness.search.pruning import Pruner, blocks, significantly_worse
from harness.spec import PruneSpec

WORSE = -np.linspace(0.01, 0.2, 20)


@pytest.mark.parametrize(
    ("differences", "threshold", "expected"),
    [
        (WORSE, 0.05, True),
        (-WORSE, 0.05, False),
        (np.zeros(20), 0.4, False),
        (np.array([-1.0, -2.0, -3.0]), 0.1, False),  # the least p of three is 1/8
        (np.array([-1.0, -2.0, -3.0]), 0.13, True),
        (np.array([-0.1] * 15 + [3.0] * 5), 0.4, False),  # ranks say worse, the mean better
        (np.array([-1.0]), 0.49, False),
    ],
)
def test_only_what_lies_below_zero_is_worse(differences, threshold, expected):
    assert significantly_worse(differences, threshold) is expected


def test_blocks_are_means_of_neighbours_and_the_last_may_be_smaller():
    assert blocks(np.array([1.0, 3.0, 5.0, 7.0, 20.0]), 2).tolist() == [2.0, 6.0, 20.0]
    assert blocks(np.array([1.0, 3.0]), 1).tolist() == [1.0, 3.0]
    assert blocks(np.array([1.0, 3.0]), 9).tolist() == [2.0]


def pair(folder, score, *, block=1):
    """Return what a pruner says of both seeds of one arm against another's."""
    spec = sweep()
    runs = {share: expand([with_values(TEMPLATE, {"miner.share": share})], spec) for share in (0.6, 0.9)}
    bench = Bench(folder, score=score)
    for each in runs.values():
        bench._carry_out(each)
    pruner = Pruner(folder, PruneSpec(block=block), "ndcg_at_10")
    return lambda count: pruner.gives_up([run for run, _ in runs[0.6][:count]], [run for run, _ in runs[0.9]])


def test_a_query_counts_once_however_many_seeds_there_are(tmp_path):
    def by_seed(spec):
        return share_of(spec) if spec.seed == 0 else 2.0 - share_of(spec)

    gives_up = pair(tmp_path, by_seed)

    assert gives_up(1)
    assert not gives_up(2)  # a loss of 0.3 with one seed and a gain of 0.3 with the other


def test_few_blocks_are_too_few_to_tell(tmp_path):
    assert pair(tmp_path, share_of, block=10)(1)  # four blocks: p = 1/16
    assert not pair(tmp_path, share_of, block=20)(1)  # two: p = 1/4
    assert not pair(tmp_path, share_of, block=20)(2)  # a second seed makes no further blocks


def test_a_run_that_failed_tells_nothing(tmp_path):
    spec = sweep()
    worse, best = (expand([with_values(TEMPLATE, {"miner.share": share})], spec) for share in (0.6, 0.9))
    Bench(tmp_path, fails=lambda spec: share_of(spec) == 0.6)._carry_out([*worse, *best])

    assert not Pruner(tmp_path, PruneSpec(), "ndcg_at_10").gives_up([run for run, _ in worse], [run for run, _ in best])
