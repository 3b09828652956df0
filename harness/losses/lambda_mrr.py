"""ADORE's LambdaRank: a wrong order costs what it costs in reciprocal rank."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss, Scale, weighted_mean
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["LambdaMRR"]


@LOSSES.register("lambda_mrr", paper="Zhan et al. 2021, ADORE, arXiv:2104.08051")
@dataclass(kw_only=True, config=STRICT)
class LambdaMRR(Loss):
    """Mean over a query's negatives of the logistic loss times the change in reciprocal rank if the two swapped.

    A rank beyond `cut` has reciprocal 0. Ranks are those within the row and carry no
    gradient; of equal scores the negative stands first, so that a tie is still learned from.
    The authors score by inner products with scale 1.
    """

    scale: Scale = 20.0
    cut: Annotated[int, Interval(ge=1, le=10_000)] = 200

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight counts in the mean. Shape (b,)."""
        import torch

        above = (batch.similarity - batch.positive[:, None]).masked_fill(~batch.negative, 0.0)
        negative, positive = self._reciprocal_ranks(batch)
        change = (positive - negative).abs().to(above)
        return weighted_mean(torch.nn.functional.softplus(self.scale * above) * change, batch.mass)

    def _reciprocal_ranks(self, batch: Batch) -> "tuple[torch.Tensor, torch.Tensor]":
        """Return those of the documents (b, c), as if each were a negative, and of the positive (b, 1)."""
        import torch

        score = batch.similarity.detach().masked_fill(~batch.negative, -torch.inf).contiguous()
        positive = batch.positive.detach()[:, None]
        ascending = score.sort(dim=1).values
        better = score.shape[1] - torch.searchsorted(ascending, score, right=True) + (positive > score)
        at_least_as_good = (score >= positive).sum(dim=1, keepdim=True)
        return self._reciprocal(1 + better), self._reciprocal(1 + at_least_as_good)

    def _reciprocal(self, rank: "torch.Tensor") -> "torch.Tensor":
        return rank.double().reciprocal().masked_fill(rank > self.cut, 0.0)
