"""InfoNCE: the positive against in-batch and mined negatives, in one direction or several."""

from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from annotated_types import Interval
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from harness.losses.base import Batch, Loss, Scale
from harness.losses.directions import Direction, logits, similarity
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["InfoNCE"]

_FORWARD: tuple[Direction, ...] = ("query_to_doc",)


def _usual(value: object) -> bool:
    return value in (_FORWARD, "joint", None, 0.0)


@LOSSES.register("info_nce", paper="van den Oord et al. 2018, arXiv:1807.03748; NV-Retriever eq. 1, arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class InfoNCE(Loss):
    """Cross-entropy of the positive among the allowed documents; `scale` is the inverse temperature.

    `directions` adds what else the positive's cosine has to exceed: with `joint` in one
    softmax (GTE, arXiv:2308.03281; with doc_to_query it holds the positive twice, and the
    loss is log 2 at least), with `per_direction` in one softmax each, whose losses
    are averaged (arXiv:2310.19923). `hardness` adds `hardness_strength` times the cosine,
    as a constant, to the logits of the documents of other queries (`in_batch`, LLaVE eq.
    5, arXiv:2503.04812, strength 9), of the mined negatives (`hard`, EmbeddingGemma,
    arXiv:2509.20354, strength 5) or of all negatives. `in_batch_topk` keeps, of the other
    queries' documents, the k most similar of each query (our reading of
    arXiv:2501.16360). With every document allowed it equals sentence-transformers'
    MultipleNegativesRankingLoss, which has no mask for a negative that is missing.
    """

    scale: Scale = 20.0
    directions: Annotated[tuple[Direction, ...], Field(exclude_if=_usual)] = _FORWARD
    partition: Annotated[Literal["joint", "per_direction"], Field(exclude_if=_usual)] = "joint"
    hardness: Annotated[Literal["in_batch", "hard", "all"] | None, Field(exclude_if=_usual)] = None
    hardness_strength: Annotated[float, Interval(ge=0.0, le=100.0), Field(exclude_if=_usual)] = 0.0
    in_batch_topk: Annotated[Annotated[int, Interval(ge=1, le=65536)] | None, Field(exclude_if=_usual)] = None

    @model_validator(mode="after")
    def _parameters_go_together(self) -> Self:
        message = ""
        if "query_to_doc" not in self.directions or len(set(self.directions)) != len(self.directions):
            message = (
                f"directions are query_to_doc and any others, each once, not {', '.join(self.directions) or 'none'}"
            )
        if self.partition == "per_direction" and {"query_to_query", "doc_to_doc"} & set(self.directions):
            message = "per_direction needs the positive in every direction, and query_to_query and doc_to_doc lack it"
        if self.hardness is None and self.hardness_strength:
            message = "hardness_strength has no effect without hardness: in_batch, hard or all"
        if message:
            raise ValueError(message)
        return self

    @property
    def row_wise(self) -> bool:
        """Whether it reads queries against documents alone."""
        return self.directions == _FORWARD

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight multiplies the exponential of its document. Shape (b,)."""
        import torch

        # queries to documents come first in a joint softmax: the positive's column is theirs
        parts = [self._logits(batch, direction) for direction in get_args(Direction) if direction in self.directions]
        if self.partition == "joint":
            return torch.nn.functional.cross_entropy(torch.cat(parts, dim=1), batch.target, reduction="none")
        losses = [torch.nn.functional.cross_entropy(part, batch.target, reduction="none") for part in parts]
        return torch.stack(losses).mean(dim=0)

    def _logits(self, batch: Batch, direction: Direction) -> "torch.Tensor":
        scaled = similarity(batch.student, direction) * self.scale
        if direction != "query_to_doc":
            return logits(batch, direction, scaled)
        if self.hardness is not None:
            harder = self._hardened(batch)
            scaled = scaled + self.hardness_strength * batch.similarity.detach() * harder
        return logits(batch, direction, scaled, self._left_out(batch))

    def _hardened(self, batch: Batch) -> "torch.Tensor":
        """Tell whose logits hardness raises. Shape (b, c)."""
        if self.hardness == "all":
            return batch.negative
        return batch.negative & (batch.is_own if self.hardness == "hard" else ~batch.is_own)

    def _left_out(self, batch: Batch) -> "torch.Tensor | None":
        """Tell which documents of other queries are not among the most similar. Shape (b, c)."""
        import torch

        if self.in_batch_topk is None:
            return None
        others = batch.negative & ~batch.is_own
        cosine = batch.similarity.detach().masked_fill(~others, -torch.inf)
        best = cosine.topk(min(self.in_batch_topk, cosine.shape[1]), dim=1).indices
        return others.scatter(1, best, value=False)
