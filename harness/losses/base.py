"""What a loss must offer."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

__all__ = ["Loss"]


class Loss(Protocol):
    """A function of similarities and masks; parameters are the fields of the class."""

    def __call__(
        self,
        similarity: "torch.Tensor",
        target: "torch.Tensor",
        allowed: "torch.Tensor",
        weight: "torch.Tensor | None" = None,
    ) -> "torch.Tensor":
        """Return the loss of each query. Shape (b,).

        `similarity` (b, c) holds cosines of b queries with c documents, `target` (b,) the
        column of each query's positive, `allowed` (b, c) which documents may take part;
        the positive's own column always does. `weight` (b, c), where there is one, says
        how much each document counts as a negative: 1 in full, 0 as if not allowed. It
        is 1 for the positive.
        """
        ...
