import pytest
import torch

from harness.losses.debiased import Debiased, Reweighted
from harness.losses.decoupled import Decoupled
from harness.losses.info_nce import InfoNCE
from tests.losses.batches import G, batch


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Debiased(scale=10.0, tau_plus=0.0), 0.2462794723),
        (Debiased(scale=10.0, tau_plus=0.1), 0.1259599670),
        (Reweighted(scale=10.0, tau_plus=0.0, beta=0.0), 0.2462794723),
        (Reweighted(scale=10.0, tau_plus=0.0, beta=1.0), 0.4188100675),
        (Reweighted(scale=10.0, tau_plus=0.1, beta=1.0), 0.2946118327),
        (Decoupled(scale=10.0), -1.4778831850),
    ],
)
def test_known_values(loss, expected):
    assert loss(batch(G)).mean().item() == pytest.approx(expected, abs=1e-9)


def test_the_estimate_never_falls_under_that_of_opposite_vectors():
    similarity = torch.tensor([[1.0, -0.5, -0.75]], dtype=torch.float64)
    given = batch(similarity)
    e = torch.exp(torch.tensor([2.0, -2.0], dtype=torch.float64))
    expected = torch.log((e[0] + 2 * e[1]) / e[0])

    loss = Debiased(scale=2.0, tau_plus=0.5)(given)

    assert loss.tolist() == pytest.approx([expected.item()], abs=1e-12)


@pytest.mark.parametrize("loss", [Debiased(scale=10.0), Reweighted(scale=10.0), Decoupled(scale=10.0)])
def test_only_allowed_negatives_are_counted(loss):
    wider = torch.cat([G, torch.full((3, 3), 0.9, dtype=torch.float64)], dim=1)
    allowed = torch.cat([torch.ones(3, 3, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.bool)], dim=1)

    assert torch.allclose(loss(batch(wider, allowed)), loss(batch(G)), atol=1e-12)


@pytest.mark.parametrize("loss", [Debiased(scale=10.0), Reweighted(scale=10.0), Decoupled(scale=10.0)])
def test_two_negatives_of_half_weight_are_one(loss):
    similarity = torch.tensor([[0.7, 0.5, 0.5]], dtype=torch.float64)
    weight = torch.tensor([[1.0, 0.5, 0.5]])

    assert torch.allclose(loss(batch(similarity, weight=weight)), loss(batch(similarity[:, :2])), atol=1e-12)


def test_without_the_positive_the_rest_of_the_denominator_is_left():
    plain, decoupled = InfoNCE(scale=10.0)(batch(G)), Decoupled(scale=10.0)(batch(G))

    assert torch.allclose(decoupled.exp() + 1.0, plain.exp(), atol=1e-12)


def test_sigma_weights_far_pairs_up_with_a_constant_of_mean_one():
    similarity = G.clone().requires_grad_()
    weight = 2.0 - 3.0 * torch.softmax(torch.tensor([0.9, 0.8, 0.6], dtype=torch.float64) / 0.5, dim=0)
    expected = Decoupled(scale=10.0)(batch(G)) + 10.0 * torch.tensor([0.9, 0.8, 0.6]) * (1.0 - weight)

    loss = Decoupled(scale=10.0, sigma=0.5)(batch(similarity))
    loss.sum().backward()

    assert weight.mean().item() == pytest.approx(1.0)
    assert torch.allclose(loss, expected)
    assert torch.allclose(similarity.grad.diagonal(), -10.0 * weight)
