import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.losses.info_nce import InfoNCE
from harness.registry import LOSSES

G = torch.tensor([[0.90, 0.70, 0.20], [0.30, 0.80, 0.75], [0.10, 0.40, 0.60]], dtype=torch.float64)


def test_the_golden_fixture_has_its_value():
    loss = InfoNCE(scale=10.0)(G, torch.arange(3), torch.ones(3, 3, dtype=torch.bool))

    assert loss.mean().item() == pytest.approx(0.2462794723, abs=1e-9)


def test_a_masked_document_counts_as_absent():
    allowed = torch.ones(3, 3, dtype=torch.bool)
    allowed[:, 1] = torch.tensor([False, True, False])

    masked = InfoNCE()(G, torch.arange(3), allowed)[[0, 2]]
    absent = InfoNCE()(G[[0, 2]][:, [0, 2]], torch.arange(2), torch.ones(2, 2, dtype=torch.bool))

    assert torch.allclose(masked, absent)


@given(st.integers(0, 1000))
def test_a_row_with_only_its_positive_has_loss_zero_and_no_gradient(seed):
    similarity = torch.rand(4, 7, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    allowed = torch.zeros(4, 7, dtype=torch.bool)
    allowed[torch.arange(4), torch.arange(4)] = True

    loss = InfoNCE()(similarity, torch.arange(4), allowed)
    loss.sum().backward()

    assert loss.tolist() == [0.0] * 4
    assert torch.equal(similarity.grad, torch.zeros(4, 7))


def test_a_weight_multiplies_the_exponential_of_its_document():
    weight = torch.ones(3, 3, dtype=torch.float64)
    weight[0, 1], weight[2, 0] = 0.25, 0.5
    terms = torch.exp(10.0 * G) * weight
    expected = -torch.log(torch.diagonal(torch.exp(10.0 * G)) / terms.sum(dim=1))

    loss = InfoNCE(scale=10.0)(G, torch.arange(3), torch.ones(3, 3, dtype=torch.bool), weight)

    assert torch.allclose(loss, expected, atol=1e-12)


def test_weights_of_one_change_nothing_and_a_weight_of_zero_takes_a_document_out():
    everything = torch.ones(3, 3, dtype=torch.bool)
    some = everything.clone()
    some[0, 2] = some[1, 0] = False
    similarity = G.clone().requires_grad_()

    unweighted, masked = InfoNCE()(G, torch.arange(3), everything), InfoNCE()(G, torch.arange(3), some)
    zeros = InfoNCE()(similarity, torch.arange(3), everything, some.double())
    zeros.sum().backward()

    assert torch.equal(InfoNCE()(G, torch.arange(3), everything, torch.ones(3, 3)), unweighted)
    assert torch.equal(zeros, masked)
    assert similarity.grad[0, 2] == similarity.grad[1, 0] == 0.0
    assert torch.isfinite(similarity.grad).all()


def test_the_scale_has_a_range():
    with pytest.raises(ConfigError, match="scale"):
        LOSSES.create("info_nce", {"scale": 0.0})
