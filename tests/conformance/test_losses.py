"""What every registered loss must do, whatever its formula."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.losses.base import Batch
from harness.losses.info_nce import InfoNCE
from harness.registry import LOSSES
from tests.losses.batches import Given, batch, batches, changed, gradients, losses

EVERY = pytest.mark.parametrize("name", LOSSES.names())
DISTILLING = {"margin_mse", "kl_distillation"}
BRIEF = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
NEUTRAL = {
    "info_nce": {"hardness": "all", "hardness_strength": 0.0, "in_batch_topk": 65536},
    "gist": {"margin": -2.0, "contrast_queries": False, "contrast_positives": False},
    "self_guided": {"margin": 2.0, "contrast_queries": False, "contrast_documents": False},
    "debiased": {"tau_plus": 0.0},
    "reweighted": {"tau_plus": 0.0, "beta": 0.0},
}
"""The parameters at which a loss is InfoNCE."""


@EVERY
@BRIEF
@given(data=st.data(), seen=batches())
def test_loss_and_gradient_are_finite_in_the_type_of_the_cosines(name: str, data: st.DataObject, seen: Batch) -> None:
    loss = data.draw(losses(name))

    value = loss(seen)

    assert (value.shape, value.dtype) == (seen.target.shape, seen.similarity.dtype)
    assert torch.isfinite(value).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients(loss, seen))


@EVERY
@BRIEF
@given(data=st.data(), seen=batches())
def test_what_is_refused_has_no_influence_and_no_gradient(name: str, data: st.DataObject, seen: Batch) -> None:
    loss = data.draw(losses(name))
    refused = ~seen.allowed
    junk = changed(seen, lambda block: block.masked_fill(refused, torch.nan))
    columns = torch.cat([seen.target[:, None], seen.own], dim=1)
    teacher = seen.teacher.masked_fill(refused.gather(1, columns), torch.nan)
    junk = replace(junk, teacher=teacher)

    assert torch.equal(loss(seen), loss(junk))
    assert all(map(torch.equal, gradients(loss, seen), gradients(loss, junk)))
    query, _, positive = gradients(loss, junk)
    assert not query[refused].any()
    assert not positive[refused].any()


@EVERY
@BRIEF
@given(data=st.data(), seen=batches())
def test_a_row_without_negatives_has_loss_zero_and_no_gradient(name: str, data: st.DataObject, seen: Batch) -> None:
    alone = torch.zeros_like(seen.allowed).scatter(1, seen.target[:, None], value=True)
    loss, seen = data.draw(losses(name)), replace(seen, allowed=alone)
    twice = name == "info_nce" and loss.partition == "joint" and "doc_to_query" in loss.directions

    assert torch.allclose(loss(seen), torch.full_like(loss(seen), math.log(2.0) if twice else 0.0), atol=0.0)
    assert not any(gradient.any() for gradient in gradients(loss, seen))


@EVERY
@BRIEF
@given(data=st.data(), seen=batches(weighted=False))
def test_weights_of_one_change_nothing(name: str, data: st.DataObject, seen: Batch) -> None:
    loss = data.draw(losses(name))

    assert torch.equal(loss(seen), loss(replace(seen, weight=torch.ones(seen.allowed.shape))))


@EVERY
@BRIEF
@given(data=st.data(), seen=batches(weighted=False), chance=st.sampled_from([0.3, 1.0]))
def test_a_weight_of_zero_is_as_good_as_not_allowed(name: str, data: st.DataObject, seen: Batch, chance: float) -> None:
    loss = data.draw(losses(name))
    taken = seen.is_own & (torch.rand(seen.allowed.shape, generator=torch.Generator().manual_seed(0)) < chance)

    weighted = replace(seen, weight=(~taken).float())
    masked = replace(seen, allowed=seen.allowed & ~taken)

    assert torch.equal(loss(weighted), loss(masked))
    assert all(map(torch.equal, gradients(loss, weighted), gradients(loss, masked)))


@EVERY
@BRIEF
@given(data=st.data(), seen=batches(), seed=st.integers(0, 99))
def test_the_order_of_the_mined_negatives_changes_nothing(
    name: str, data: st.DataObject, seen: Batch, seed: int
) -> None:
    loss = data.draw(losses(name))
    (b, c), k = seen.allowed.shape, seen.own.shape[1]
    behind = b + torch.randperm(c - b, generator=torch.Generator().manual_seed(seed))
    order = torch.cat([torch.arange(b), behind])
    shuffled = replace(
        changed(seen, lambda block: block[:, order]),
        allowed=seen.allowed[:, order],
        weight=None if seen.weight is None else seen.weight[:, order],
        own=order.argsort()[seen.own.flatten()].reshape(b, k),
        document=seen.document[order],
    )

    assert torch.allclose(loss(seen), loss(shuffled), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in LOSSES.names() if name != "gist"])
@BRIEF
@given(data=st.data(), seen=batches(), seed=st.integers(0, 99))
def test_a_row_wise_loss_reads_every_row_by_its_own_columns(
    name: str, data: st.DataObject, seen: Batch, seed: int
) -> None:
    loss = data.draw(losses(name).filter(lambda each: each.row_wise))
    b, c = seen.allowed.shape
    order = torch.rand(b, c, generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    place = order.argsort(dim=1)
    shuffled = replace(
        seen,
        student=Given(seen.similarity.gather(1, order)),
        allowed=seen.allowed.gather(1, order),
        weight=None if seen.weight is None else seen.weight.gather(1, order),
        target=place.gather(1, seen.target[:, None]).squeeze(1),
        own=place.gather(1, seen.own),
        guide=None,
        document=None,
    )

    assert torch.allclose(loss(replace(seen, document=None)), loss(shuffled), rtol=1e-5, atol=1e-5)


@EVERY
@BRIEF
@given(data=st.data(), seen=batches())
def test_no_gradient_flows_into_guide_or_teacher(name: str, data: st.DataObject, seen: Batch) -> None:
    loss = data.draw(losses(name))
    teacher = seen.teacher.clone().requires_grad_()

    loss(replace(seen, teacher=teacher)).sum().backward()

    assert [part.grad for part in (*seen.guide.blocks, teacher)] == [None] * 4


@EVERY
@BRIEF
@given(seen=batches())
def test_a_nearer_positive_never_raises_a_loss_that_learns_from_labels(name: str, seen: Batch) -> None:
    if name in DISTILLING:
        return
    slope = gradients(LOSSES.create(name, {}), seen)[0].gather(1, seen.target[:, None])

    assert (slope <= 1e-6).all()


@EVERY
@BRIEF
@given(data=st.data(), seen=batches())
def test_a_loss_that_is_bounded_below_never_falls_under_zero(name: str, data: st.DataObject, seen: Batch) -> None:
    loss = data.draw(losses(name))

    assert not loss.bounded_below or (loss(seen) >= -1e-3).all()


@EVERY
def test_only_the_decoupled_loss_can_fall_without_end(name: str) -> None:
    blocks = Given(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), *(-torch.ones(2, 2) for _ in range(2)))
    apart = replace(batch(blocks.query_document), student=blocks, guide=blocks)
    apart = replace(apart, own=torch.tensor([[1], [0]]), teacher=torch.zeros(1, 2, 2))

    lowest = LOSSES.create(name, {"scale": 1000.0})(apart).min().item()

    assert (name == "decoupled") == (lowest < -1000.0) == (not LOSSES[name].factory.bounded_below)


@pytest.mark.parametrize("name", NEUTRAL)
@BRIEF
@given(seen=batches(), scale=st.sampled_from([1.0, 20.0, 100.0]))
def test_at_its_neutral_parameters_a_loss_is_info_nce(name: str, seen: Batch, scale: float) -> None:
    seen = replace(seen, document=None)
    loss, plain = LOSSES.create(name, {"scale": scale, **NEUTRAL[name]}), InfoNCE(scale=scale)

    assert torch.allclose(loss(seen), plain(seen), rtol=1e-5, atol=1e-5)
    for left, right in zip(gradients(loss, seen), gradients(plain, seen), strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-4)


@EVERY
def test_every_entry_names_its_paper_and_takes_a_scale(name: str) -> None:
    entry = LOSSES[name]

    assert "arXiv:" in entry.paper
    assert entry.summary.endswith(".")
    with pytest.raises(ConfigError, match="scale must be in"):
        LOSSES.create(name, {"scale": 0.0})
