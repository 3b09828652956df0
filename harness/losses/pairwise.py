"""Pairwise losses: the logistic loss of a positive against single negatives."""

from typing import TYPE_CHECKING, Literal

from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss, Scale, weighted_mean
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["MannWhitney", "Pairwise"]


@LOSSES.register(
    "pairwise", paper="Zhan et al. 2021, STAR, arXiv:2104.08051; Xiong et al. 2021, ANCE, arXiv:2007.00808"
)
@dataclass(kw_only=True, config=STRICT)
class Pairwise(Loss):
    """Mean over a query's negatives of -log of the positive's share in a softmax of the two.

    `own`: the negatives mined for the query, as ANCE; `batch`: every document of the
    batch. STAR averages the other positives and the mined negatives of the batch apart.
    A query without such negatives has loss 0.
    """

    scale: Scale = 20.0
    negatives: Literal["own", "batch"] = "own"

    def objection(self, *, guides: int, mined: bool) -> str | None:  # noqa: ARG002  it looks up none
        """Say that an arm without mined negatives has nothing to learn from."""
        if self.negatives == "own" and not mined:
            return "needs mined negatives, and this arm has none; negatives: batch does without"
        return None

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight counts in the mean. Shape (b,)."""
        import torch

        mass = batch.mass * batch.is_own if self.negatives == "own" else batch.mass
        above = (batch.similarity - batch.positive[:, None]).masked_fill(mass == 0.0, 0.0)
        return weighted_mean(torch.nn.functional.softplus(self.scale * above), mass)


@LOSSES.register("mw", paper="Optimizing What Matters, arXiv:2510.00137")
@dataclass(kw_only=True, config=STRICT)
class MannWhitney(Loss):
    """Mean logistic loss of a positive against all negatives of the batch, those of every query.

    It bounds the share of wrongly ordered pairs, one minus the AUC, and other than in InfoNCE
    scores of different queries are held to one scale. The paper adds up instead of
    averaging (`mean: false`). Time and memory grow with b * b * c for b queries and c
    documents.
    """

    scale: Scale = 20.0
    mean: bool = True

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight counts in the mean. Shape (b,)."""
        import torch

        negative, mass = batch.similarity[batch.negative], batch.mass[batch.negative]
        above = negative[None, :] - batch.positive[:, None]
        losses = torch.nn.functional.softplus(self.scale * above)
        return weighted_mean(losses, mass.expand_as(losses)) if self.mean else (losses * mass).sum(dim=1)
