"""Decoupled contrastive loss: the positive does not stand among those that it is compared with."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss, Scale
from harness.losses.directions import logits
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["Decoupled"]


@LOSSES.register("decoupled", paper="Yeh et al. 2022, DCL, arXiv:2110.06848")
@dataclass(kw_only=True, config=STRICT)
class Decoupled(Loss):
    """InfoNCE with the positive left out of the denominator, and therefore without a lower bound.

    With `sigma` it is DCLW: the positive's term is weighted with 2 - B * softmax(cosine /
    sigma) over the positives of the B queries, a constant of mean 1, so that pairs that
    are far apart count more. The authors take a temperature of 0.1 and sigma 0.5; their
    released code leaves out the B.
    """

    bounded_below: ClassVar[bool] = False

    scale: Scale = 20.0
    sigma: Annotated[float, Interval(ge=0.01, le=10.0)] | None = None

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight multiplies the exponential of its document. Shape (b,)."""
        import torch

        some = batch.negative.any(dim=1)
        terms = logits(batch, "query_to_doc", batch.similarity * self.scale, ~batch.negative)
        negatives = terms.masked_fill(~some[:, None], 0.0).logsumexp(dim=1)
        positive = batch.positive * self.scale
        if self.sigma is not None:
            positive = positive * (2.0 - len(positive) * (batch.positive.detach() / self.sigma).softmax(dim=0))
        return torch.where(some, negatives - positive, 0.0)
