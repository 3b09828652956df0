"""The directions of a contrast within a batch: who is compared with whom, and which of it may be."""

from typing import TYPE_CHECKING, Literal

from harness.losses.base import Batch, Blocks

if TYPE_CHECKING:
    import torch

__all__ = ["Direction", "logits", "similarity"]

Direction = Literal["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"]
"""From queries to documents or to the other queries; from positives to queries or to documents of other queries."""


def similarity(blocks: Blocks, direction: Direction) -> "torch.Tensor":
    """Return the similarities of one direction; row i is that of pair i. Shape (b, c), or (b, b) towards queries."""
    if direction == "query_to_doc":
        return blocks.query_document
    if direction == "query_to_query":
        return blocks.query_query
    if direction == "doc_to_doc":
        return blocks.positive_document
    return blocks.query_document[:, : len(blocks.query_document)].T


def logits(
    batch: Batch, direction: Direction, scaled: "torch.Tensor", hidden: "torch.Tensor | None" = None
) -> "torch.Tensor":
    """Return scaled similarities of one direction as a softmax takes them, in the same shape.

    What may not take part, or is `hidden`, becomes minus infinity; the weight of a
    document multiplies its exponential.
    """
    import torch

    kept = _admitted(batch, direction)
    if hidden is not None:
        kept = kept & ~hidden
    scaled = scaled.masked_fill(~kept, -torch.inf)
    if batch.weight is None or direction == "query_to_query":
        return scaled
    weight = batch.weight[:, : len(batch.target)].T if direction == "doc_to_query" else batch.weight
    return scaled + weight.log()


def _admitted(batch: Batch, direction: Direction) -> "torch.Tensor":
    """Tell what may take part in one direction.

    A document that is refused for a query is refused for the query's positive. Two
    queries are compared unless the positive of one is refused for the other.
    """
    b = len(batch.target)
    if direction == "query_to_doc":
        return batch.allowed
    if direction == "doc_to_query":
        return batch.allowed[:, :b].T
    if direction == "doc_to_doc":
        return batch.negative & ~batch.is_own
    return batch.negative[:, :b] & batch.negative[:, :b].T
