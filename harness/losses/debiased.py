"""Debiased contrastive losses: the sum over negatives corrected for the positives among them."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss, Scale
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["Debiased", "Reweighted"]

TauPlus = Annotated[float, Interval(ge=0.0, lt=1.0)]
"""The share of the negatives that are taken to be positives."""


@LOSSES.register("debiased", paper="Chuang et al. 2020, arXiv:2007.00224")
@dataclass(kw_only=True, config=STRICT)
class Debiased(Loss):
    """InfoNCE whose sum over N negatives is estimated as if a share `tau_plus` of them were positives.

    The sum becomes (sum - tau_plus * N * positive) / (1 - tau_plus), but no less than N
    terms of cosine -1. The authors take a temperature of 0.5.
    """

    scale: Scale = 20.0
    tau_plus: TauPlus = 0.1

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; N is the sum of the weights of its negatives. Shape (b,)."""
        return _loss(batch, self.scale, self.tau_plus, beta=0.0)


@LOSSES.register("reweighted", paper="Robinson et al. 2021, HCL, arXiv:2010.04592")
@dataclass(kw_only=True, config=STRICT)
class Reweighted(Loss):
    """The debiased loss with each negative's term e weighted by e to the power `beta`: the harder, the heavier.

    The weights have mean 1, and gradients flow through them, as in the authors' code.
    """

    scale: Scale = 20.0
    tau_plus: TauPlus = 0.1
    beta: Annotated[float, Interval(ge=0.0, le=10.0)] = 1.0

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; N is the sum of the weights of its negatives. Shape (b,)."""
        return _loss(batch, self.scale, self.tau_plus, self.beta)


def _loss(batch: Batch, scale: float, tau_plus: float, beta: float) -> "torch.Tensor":
    """Compute both losses, every exponential relative to the largest of its row."""
    import torch

    lowest = torch.finfo(batch.similarity.dtype).min
    negative = (batch.similarity * scale).masked_fill(~batch.negative, lowest)
    positive = batch.positive * scale
    top = torch.maximum(negative.amax(dim=1), positive).detach()
    n = batch.mass.sum(dim=1)
    # with the lowest finite number instead of minus infinity a row without negatives is no 0/0
    importance = beta * negative.masked_fill(~batch.negative, 0.0) + batch.mass.log()
    share = importance.masked_fill(~batch.negative, lowest).softmax(dim=1)
    total = n * (share * (negative - top[:, None]).exp()).sum(dim=1)
    one = (positive - top).exp()
    if tau_plus > 0.0:  # else only rounding could bring the sum under its floor, and take the gradient
        total = torch.maximum((total - tau_plus * n * one) / (1.0 - tau_plus), n * (-scale - top).exp())
    return top - positive + (one + total).log()
