"""What a loss sees of a batch, and what it must offer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Blocks", "Cosines", "Guidance", "Loss"]

Guidance = Literal["none", "blocks", "scores"]
"""What a loss looks up of teachers: nothing; one guide's similarities within the batch; scores of each pair's own."""


class Blocks(Protocol):
    """Similarities within a batch of b queries and c documents by one model.

    The first b documents are the positives, in the order of the queries.
    """

    @property
    def query_document(self) -> "torch.Tensor":
        """Queries against documents. Shape (b, c)."""
        ...

    @property
    def query_query(self) -> "torch.Tensor":
        """Queries against queries. Shape (b, b)."""
        ...

    @property
    def positive_document(self) -> "torch.Tensor":
        """Positives against documents. Shape (b, c)."""
        ...


@dataclass(frozen=True)
class Cosines:
    """Blocks of unit vectors, each computed when it is first asked for.

    `queries` has shape (b, d), `documents` (c, d).
    """

    queries: "torch.Tensor"
    documents: "torch.Tensor"

    @cached_property
    def query_document(self) -> "torch.Tensor":
        """Queries against documents. Shape (b, c)."""
        return self.queries @ self.documents.T

    @cached_property
    def query_query(self) -> "torch.Tensor":
        """Queries against queries. Shape (b, b)."""
        return self.queries @ self.queries.T

    @cached_property
    def positive_document(self) -> "torch.Tensor":
        """Positives against documents. Shape (b, c)."""
        return self.documents[: len(self.queries)] @ self.documents.T


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a loss sees of b queries and c documents.

    `student` holds the trained model's cosines, `allowed` (b, c) says which documents
    may take part; each query's positive, in the column `target` (b,), always does.
    `own` (b, k) are the columns of the negatives mined for each query. `weight` (b, c),
    where there is one, says how much each document counts as a negative: 1 in full, 0 as
    if not allowed; it is 1 for the positive. `guide` holds a frozen teacher's
    similarities for a loss whose guidance is `blocks`, `teacher` (t, b, 1 + k) the scores
    that t teachers give the positive and the own negatives for one whose guidance is
    `scores`; none of them carries a gradient. What `allowed` refuses has scores of no meaning.
    """

    student: Blocks
    target: "torch.Tensor"
    allowed: "torch.Tensor"
    own: "torch.Tensor"
    weight: "torch.Tensor | None" = None
    guide: Blocks | None = None
    teacher: "torch.Tensor | None" = None

    @property
    def similarity(self) -> "torch.Tensor":
        """The student's cosines of queries and documents. Shape (b, c)."""
        return self.student.query_document

    @property
    def positive(self) -> "torch.Tensor":
        """The student's cosine of each query and its positive. Shape (b,)."""
        return self.similarity.gather(1, self.target[:, None]).squeeze(1)

    @cached_property
    def negative(self) -> "torch.Tensor":
        """Which documents are negatives: those allowed, less the positive. Shape (b, c)."""
        import torch

        columns = torch.arange(self.allowed.shape[1], device=self.allowed.device)
        return self.allowed & (columns != self.target[:, None])


class Loss(ABC):
    """A function of a batch; parameters are the fields of the class.

    `guidance` says what it looks up of teachers. A loss that is not `bounded_below` can
    always fall further and says nothing about when to stop. One that is `row_wise` reads
    nothing of the student but its `query_document` block, each query's row for itself,
    so that every query may have documents of its own.
    """

    guidance: ClassVar[Guidance] = "none"
    bounded_below: ClassVar[bool] = True
    row_wise: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query, never NaN. Shape (b,)."""
