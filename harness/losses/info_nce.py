"""InfoNCE: the positive against in-batch and mined negatives."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["InfoNCE"]


@LOSSES.register("info_nce", paper="van den Oord et al. 2018, arXiv:1807.03748; NV-Retriever eq. 1, arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class InfoNCE(Loss):
    """Cross-entropy of the positive among the allowed documents; `scale` is the inverse temperature.

    With every document allowed it equals sentence-transformers'
    MultipleNegativesRankingLoss, which has no mask for a negative that is missing.
    """

    scale: Annotated[float, Interval(gt=0.0, le=1000.0)] = 20.0

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight multiplies the exponential of its document. Shape (b,)."""
        import torch

        logits = (batch.similarity * self.scale).masked_fill(~batch.allowed, -torch.inf)
        if batch.weight is not None:
            logits = logits + batch.weight.log()
        return torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")
