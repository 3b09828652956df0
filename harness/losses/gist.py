"""GIST: a frozen guide hides what it finds nearer to the query than the positive."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Guidance, Loss, Scale, looked_up
from harness.losses.directions import Direction, logits, similarity
from harness.registry import LOSSES
from harness.spec import STRICT, Boundary

if TYPE_CHECKING:
    import torch

__all__ = ["Gist"]


@LOSSES.register("gist", paper="Solatorio 2024, GISTEmbed, arXiv:2402.16829")
@dataclass(kw_only=True, config=STRICT)
class Gist(Loss):
    """InfoNCE without what a guide scores above a ceiling: its score of the positive, less a margin.

    The margin is `absolute`, or `relative` to the size of the positive's score; `boundary`
    decides about what lies exactly at the ceiling. `contrast_queries` and
    `contrast_positives` compare the queries, and the positives, of a batch with one
    another in the same softmax. No text is a negative of itself, whatever the guide says.
    With a margin of 0 or more it equals sentence-transformers' GISTEmbedLoss, which takes
    one mined negative at most and runs the guide on every batch.
    """

    guidance: ClassVar[Guidance] = "blocks"

    scale: Scale = 100.0
    margin_strategy: Literal["absolute", "relative"] = "absolute"
    margin: Annotated[float, Interval(ge=-2.0, le=2.0)] = 0.0
    boundary: Boundary = "at_or_below"
    contrast_queries: bool = True
    contrast_positives: bool = True

    @property
    def row_wise(self) -> bool:
        """Whether it reads rows alone: never, the guide's similarities are those of one batch."""
        return False

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight multiplies the exponential of its document. Shape (b,)."""
        import torch

        b = len(batch.target)
        parts = [self._logits(batch, "query_to_doc")]
        if self.contrast_queries:
            parts.append(self._logits(batch, "query_to_query"))
        if self.contrast_positives:
            parts.append(self._logits(batch, "doc_to_doc")[:, :b])
        return torch.nn.functional.cross_entropy(torch.cat(parts, dim=1), batch.target, reduction="none")

    def _logits(self, batch: Batch, direction: Direction) -> "torch.Tensor":
        """Return the logits of what the guide does not hide; it never hides the positive."""
        guide = looked_up(batch.guide, "a guide's similarities")
        score = similarity(guide, direction).detach()
        positive = guide.query_document.detach().gather(1, batch.target[:, None])
        unit = positive.abs() if self.margin_strategy == "relative" else 1.0
        ceiling = positive - self.margin * unit
        hidden = score > ceiling if self.boundary == "at_or_below" else score >= ceiling
        if direction == "query_to_doc":
            hidden = hidden.scatter(1, batch.target[:, None], value=False)
        return logits(batch, direction, similarity(batch.student, direction) * self.scale, hidden)
