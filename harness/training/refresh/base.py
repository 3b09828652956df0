"""What a refresh sees of a training, and the two kinds that there are."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass as plain
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.spec import STRICT
from harness.teachers.dense import Embed
from harness.training.data import TrainingData

__all__ = ["Moment", "Refresh", "Renewal", "Renewing", "Searching"]

IntArray = npt.NDArray[np.int32]


@plain(frozen=True)
class Moment:
    """A training after `step` updates.

    `negatives` (n, k) are those that the pairs have now, PADDING where there is none;
    they are not to be written to. `embed` is the model as it is.
    """

    step: int
    negatives: IntArray
    embed: Embed


Renewal = Callable[[Moment], IntArray]
"""Chooses the negatives (n, k) that the pairs have from now on. One serves one training.

One that remembers anything from call to call has the methods `remember` and `recall` of
`harness.training.resuming.Remembering`, so that a training can be resumed.
"""


class Refresh(ABC):
    """Whether and when negatives change; parameters are the fields of the class.

    `mines` says whether it builds on the negatives of the arm's miner; a refresh that
    does not finds its own, and its arm has no miner. `reads_pool` says that what it
    mines anew depends on the student's search.
    """

    mines: ClassVar[bool]
    reads_pool: ClassVar[bool] = False


@dataclass(kw_only=True, config=STRICT)
class Renewing(Refresh):
    """Negatives stay for `every` steps and are then chosen again."""

    mines: ClassVar[bool] = True
    every: Annotated[int, Interval(ge=1, le=1_000_000)]

    @abstractmethod
    def begin(self, data: TrainingData, embed: Embed) -> Renewal:
        """Make ready for a training on `data` that starts from the model that `embed` is."""
        ...


@dataclass(kw_only=True, config=STRICT)
class Searching(Refresh):
    """Documents are embedded once, before the training; every step searches them with its own queries.

    Only queries are trained. `depth` is how many documents are found for each. The
    trained model embeds queries from then on, and the base the documents.
    """

    mines: ClassVar[bool] = False
    depth: Annotated[int, Interval(ge=1, le=10_000)]
