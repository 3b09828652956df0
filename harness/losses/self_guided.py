"""The mask of Qwen3-Embedding: the student hides what itself finds clearly nearer than the positive."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss, Scale
from harness.losses.directions import Direction, logits, similarity
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["SelfGuided"]


@LOSSES.register("self_guided", paper="Zhang et al. 2025, Qwen3-Embedding, arXiv:2506.05176")
@dataclass(kw_only=True, config=STRICT)
class SelfGuided(Loss):
    """InfoNCE without what the student itself scores more than `margin` above the positive.

    Negatives are the batch's documents for the query and, with `contrast_queries` and
    `contrast_documents`, the other queries for the query and the other queries'
    documents for the positive, in one softmax; Qwen3-VL-Embedding drops these two. Another
    copy of the positive is never a negative. Each similarity is measured against the
    query's positive. The paper states no temperature that we could check: `scale` is that
    of `info_nce`.
    """

    scale: Scale = 20.0
    margin: Annotated[float, Interval(ge=-2.0, le=2.0)] = 0.1
    contrast_queries: bool = True
    contrast_documents: bool = True

    @property
    def row_wise(self) -> bool:
        """Whether it reads queries against documents alone."""
        return not (self.contrast_queries or self.contrast_documents)

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight multiplies the exponential of its document. Shape (b,)."""
        import torch

        parts = [self._logits(batch, "query_to_doc")]
        if self.contrast_queries:
            parts.append(self._logits(batch, "query_to_query"))
        if self.contrast_documents:
            parts.append(self._logits(batch, "doc_to_doc"))
        return torch.nn.functional.cross_entropy(torch.cat(parts, dim=1), batch.target, reduction="none")

    def _logits(self, batch: Batch, direction: Direction) -> "torch.Tensor":
        own = similarity(batch.student, direction)
        hidden = own.detach() > (batch.positive.detach() + self.margin)[:, None]
        if direction != "query_to_query" and batch.document is not None:
            hidden = hidden | (batch.document == batch.document[batch.target][:, None])
        if direction == "query_to_doc":
            hidden = hidden.scatter(1, batch.target[:, None], value=False)
        return logits(batch, direction, own * self.scale, hidden)
