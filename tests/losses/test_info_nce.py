import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.losses.info_nce import InfoNCE
from harness.registry import LOSSES
from tests.losses.batches import G, batch


def test_the_golden_fixture_has_its_value():
    loss = InfoNCE(scale=10.0)(batch(G))

    assert loss.mean().item() == pytest.approx(0.2462794723, abs=1e-9)


def test_a_masked_document_counts_as_absent():
    allowed = torch.ones(3, 3, dtype=torch.bool)
    allowed[:, 1] = torch.tensor([False, True, False])

    masked = InfoNCE()(batch(G, allowed))[[0, 2]]
    absent = InfoNCE()(batch(G[[0, 2]][:, [0, 2]]))

    assert torch.allclose(masked, absent)


@given(st.integers(0, 1000))
def test_a_row_with_only_its_positive_has_loss_zero_and_no_gradient(seed):
    similarity = torch.rand(4, 7, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    allowed = torch.zeros(4, 7, dtype=torch.bool)
    allowed[torch.arange(4), torch.arange(4)] = True

    loss = InfoNCE()(batch(similarity, allowed))
    loss.sum().backward()

    assert loss.tolist() == [0.0] * 4
    assert torch.equal(similarity.grad, torch.zeros(4, 7))


def test_a_weight_multiplies_the_exponential_of_its_document():
    weight = torch.ones(3, 3, dtype=torch.float64)
    weight[0, 1], weight[2, 0] = 0.25, 0.5
    terms = torch.exp(10.0 * G) * weight
    expected = -torch.log(torch.diagonal(torch.exp(10.0 * G)) / terms.sum(dim=1))

    loss = InfoNCE(scale=10.0)(batch(G, weight=weight))

    assert torch.allclose(loss, expected, atol=1e-12)


def test_weights_of_one_change_nothing_and_a_weight_of_zero_takes_a_document_out():
    some = torch.ones(3, 3, dtype=torch.bool)
    some[0, 2] = some[1, 0] = False
    similarity = G.clone().requires_grad_()

    unweighted, masked = InfoNCE()(batch(G)), InfoNCE()(batch(G, some))
    zeros = InfoNCE()(batch(similarity, weight=some.double()))
    zeros.sum().backward()

    assert torch.equal(InfoNCE()(batch(G, weight=torch.ones(3, 3))), unweighted)
    assert torch.equal(zeros, masked)
    assert similarity.grad[0, 2] == similarity.grad[1, 0] == 0.0
    assert torch.isfinite(similarity.grad).all()


def test_the_scale_has_a_range():
    with pytest.raises(ConfigError, match="scale"):
        LOSSES.create("info_nce", {"scale": 0.0})
