import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.losses.info_nce import InfoNCE
from harness.losses.lambda_mrr import LambdaMRR
from harness.losses.pairwise import MannWhitney, Pairwise
from tests.losses.batches import G, batch

ROW = torch.tensor([[1.5, 2.0, 1.0]], dtype=torch.float64)
"""A positive and its two negatives, as inner products."""


def lone(similarity):
    """Make a batch of one row: the positive, then its own negatives."""
    return batch(torch.as_tensor(similarity, dtype=torch.float64))


def logistic(difference):
    return math.log1p(math.exp(difference))


@pytest.mark.parametrize(
    ("loss", "expected"), [(MannWhitney(scale=10.0), 0.2427458833), (MannWhitney(scale=10.0, mean=False), 1.4564752999)]
)
def test_the_loss_over_all_pairs_has_its_known_value(loss, expected):
    assert loss(batch(G)).mean().item() == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 1000))
def test_the_loss_over_all_pairs_bounds_the_share_of_wrong_orders(seed):
    similarity = torch.rand(4, 8, generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0
    seen = batch(similarity)
    wrong = (similarity[seen.negative][None, :] >= seen.positive[:, None]).double().mean()

    assert MannWhitney()(seen).mean() >= wrong * math.log(2.0)


def test_a_score_offset_of_one_query_matters_over_all_pairs_alone():
    moved = G + torch.tensor([[0.5], [0.0], [0.0]])

    assert torch.allclose(InfoNCE()(batch(moved)), InfoNCE()(batch(G)))
    assert not torch.allclose(MannWhitney()(batch(moved)).mean(), MannWhitney()(batch(G)).mean(), atol=0.1)


def test_a_pair_is_compared_with_its_own_negatives_or_with_the_batch():
    similarity = torch.tensor([[0.5, 0.9, 0.1, 0.3], [0.7, 0.2, 0.4, 0.6]], dtype=torch.float64)
    own = [logistic(0.1 - 0.5), logistic(0.6 - 0.2)]
    whole = [
        (logistic(0.4) + logistic(-0.4) + logistic(-0.2)) / 3,
        (logistic(0.5) + logistic(0.2) + logistic(0.4)) / 3,
    ]

    losses = [Pairwise(scale=1.0, negatives=choice)(batch(similarity)).tolist() for choice in ("own", "batch")]

    assert losses == [pytest.approx(own), pytest.approx(whole)]


def test_a_weight_counts_in_the_mean():
    loss = Pairwise(scale=1.0)(batch(ROW, weight=torch.tensor([[1.0, 0.25, 1.0]])))

    assert loss.tolist() == pytest.approx([(0.25 * logistic(0.5) + logistic(-0.5)) / 1.25])


@pytest.mark.parametrize(("mean", "total"), [(True, 1.25), (False, 1.0)])
def test_a_weight_counts_over_all_pairs(mean, total):
    loss = MannWhitney(scale=1.0, mean=mean)(batch(ROW, weight=torch.tensor([[1.0, 0.25, 1.0]])))

    assert loss.tolist() == pytest.approx([(0.25 * logistic(0.5) + logistic(-0.5)) / total])


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_with_a_single_negative_the_pairwise_losses_are_info_nce(positive, negative):
    seen = lone([[positive, negative]])
    expected = InfoNCE()(seen).item()

    values = [loss(seen).item() for loss in (Pairwise(), MannWhitney())]

    assert values == pytest.approx([expected] * 2, rel=1e-7)
    assert LambdaMRR()(seen).item() == pytest.approx(0.5 * expected, rel=1e-7)


def test_swaps_are_weighted_with_the_change_in_reciprocal_rank():
    assert LambdaMRR(scale=1.0)(lone(ROW)).item() == pytest.approx(0.2830256614, abs=1e-9)


@pytest.mark.parametrize(("cut", "expected"), [(3, [1 / 2, 1 / 2 - 1 / 3]), (2, [1 / 2, 1 / 2]), (1, [1.0, 0.0])])
def test_a_rank_beyond_the_cut_is_worth_nothing(cut, expected):
    value = sum(weight * logistic(gap) for weight, gap in zip(expected, (0.5, -0.5), strict=True)) / 2

    assert LambdaMRR(scale=1.0, cut=cut)(lone(ROW)).item() == pytest.approx(value, abs=1e-12)


def test_a_tie_with_the_positive_is_still_learned_from():
    similarity = torch.tensor([[0.5, 0.5, 0.5, 0.1]], dtype=torch.float64, requires_grad=True)
    # the two stand at rank 1, the positive at 3, the last at 4
    expected = (2 * (1 - 1 / 3) * math.log(2.0) + (1 / 3 - 1 / 4) * logistic(-0.4)) / 3

    loss = LambdaMRR(scale=1.0)(batch(similarity))
    loss.sum().backward()

    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert similarity.grad[0, 1] == similarity.grad[0, 2] > 0.0


def test_equal_negatives_below_the_positive_share_a_rank():
    # the positive stands at 1, two at 2, the last at 4
    expected = (2 * (1 - 1 / 2) * logistic(-0.5) + (1 - 1 / 4) * logistic(-1.0)) / 3

    assert LambdaMRR(scale=1.0)(lone([[1.0, 0.5, 0.5, 0.0]])).item() == pytest.approx(expected, abs=1e-12)
