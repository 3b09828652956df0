"""What a loss sees of a batch, and what it must offer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol, TypeVar

from annotated_types import Interval

from harness.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Blocks", "Cosines", "Guidance", "Loss", "Scale", "looked_up", "weighted_mean"]

T = TypeVar("T")

Scale = Annotated[float, Interval(gt=0.0, le=1000.0)]
"""What cosines are multiplied by: the inverse of a temperature."""

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
        return _products(self.queries, self.documents)

    @cached_property
    def query_query(self) -> "torch.Tensor":
        """Queries against queries. Shape (b, b)."""
        return _products(self.queries, self.queries)

    @cached_property
    def positive_document(self) -> "torch.Tensor":
        """Positives against documents. Shape (b, c)."""
        return _products(self.documents[: len(self.queries)], self.documents)


def _products(left: "torch.Tensor", right: "torch.Tensor") -> "torch.Tensor":
    """Multiply (n, d) and (m, d), also under autocast in full precision: bfloat16 moves ceilings. Shape (n, m)."""
    import torch

    with torch.autocast(left.device.type, enabled=False):
        return left @ right.T


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
    `document` (c,), where it is given, numbers the documents: equal numbers are the same document.
    """

    student: Blocks
    target: "torch.Tensor"
    allowed: "torch.Tensor"
    own: "torch.Tensor"
    weight: "torch.Tensor | None" = None
    guide: Blocks | None = None
    teacher: "torch.Tensor | None" = None
    document: "torch.Tensor | None" = None

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
        """Which documents are negatives: those allowed with a weight, less the positive. Shape (b, c)."""
        import torch

        columns = torch.arange(self.allowed.shape[1], device=self.allowed.device)
        negative = self.allowed & (columns != self.target[:, None])
        return negative if self.weight is None else negative & (self.weight > 0.0)

    @cached_property
    def mass(self) -> "torch.Tensor":
        """How much each document counts as a negative, in the type of the cosines: 0 for what is none. Shape (b, c)."""
        mass = self.negative.to(self.similarity.dtype)
        return mass if self.weight is None else mass * self.weight.to(mass).masked_fill(~self.negative, 0.0)

    @property
    def is_own(self) -> "torch.Tensor":
        """Which documents are mined for the query of their row, allowed or not. Shape (b, c)."""
        import torch

        return torch.zeros_like(self.allowed).scatter(1, self.own, torch.ones_like(self.own, dtype=torch.bool))


def weighted_mean(value: "torch.Tensor", mass: "torch.Tensor") -> "torch.Tensor":
    """Return the mean of each row by its masses, 0 for a row without any. Shape (b, m) to (b,)."""
    total = mass.sum(dim=1)
    return (value * mass).sum(dim=1) / total.where(total > 0.0, 1.0)


def looked_up(found: "T | None", what: str) -> T:
    """Return what was looked up for a guided loss; raise ConfigError if nothing was."""
    if found is None:
        message = f"the loss needs {what}, and the batch has none"
        raise ConfigError(message)
    return found


class Loss(ABC):
    """A function of a batch; parameters are the fields of the class.

    `guidance` says what it looks up of teachers. A loss that is not `bounded_below` can
    always fall further and says nothing about when to stop.
    """

    guidance: ClassVar[Guidance] = "none"
    bounded_below: ClassVar[bool] = True

    @property
    def row_wise(self) -> bool:
        """Whether it reads no block but `query_document`, whose columns may then mean other documents in every row."""
        return True

    def objection(self, *, guides: int, mined: bool) -> str | None:  # noqa: ARG002  for losses that do object
        """Say what it lacks in an arm with so many guides, and with or without mined negatives; None if nothing."""
        return None

    @abstractmethod
    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query, never NaN. Shape (b,).

        A query without negatives has no gradient, and loss 0 unless the class says otherwise.
        What `allowed` refuses has no influence, and a weight of 0 counts as refused.
        """
