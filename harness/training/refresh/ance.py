"""ANCE: mine again with the model in training, every so many steps."""

from typing import Annotated, ClassVar, cast

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.registry import REFRESHES
from harness.spec import STRICT
from harness.teachers.dense import Embed
from harness.training.data import Mining, TrainingData
from harness.training.refresh.base import IntArray, Moment, Renewal, Renewing

__all__ = ["Ance"]


@REFRESHES.register("ance", paper="Xiong et al. 2021, arXiv:2007.00808")
@dataclass(kw_only=True, config=STRICT)
class Ance(Renewing):
    """Every `every` steps the student searches the corpus, and the arm's own miner chooses from what it finds.

    The paper's own choice is uniform from the best 200, the miner `bge_window`. Its
    mining runs beside the training, which goes on with the old negatives meanwhile; here
    the training waits.
    """

    reads_pool: ClassVar[bool] = True
    every: Annotated[int, Interval(ge=1, le=1_000_000)] = 1000

    def begin(self, data: TrainingData, embed: Embed) -> Renewal:
        """Mine again whenever asked; nothing is remembered."""
        del embed
        mining = cast("Mining", data.mining)

        def renewal(now: Moment) -> IntArray:
            return mining.again(now.embed, now.step)

        return renewal
