"""ADORE: the index stands, the query encoder learns, every step finds its own negatives."""

from typing import Annotated

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.registry import REFRESHES
from harness.spec import STRICT
from harness.training.refresh.base import Searching

__all__ = ["Adore"]


@REFRESHES.register("adore", paper="Zhan et al. 2021, arXiv:2104.08051; jingtaozhan/DRhard")
@dataclass(kw_only=True, config=STRICT)
class Adore(Searching):
    """Train the query encoder on the best `depth` documents of a fixed index, searched anew in every step.

    Documents known to be relevant are left out of them, and the pair's positive is
    put in. The paper starts from a trained retriever (STAR) and uses LambdaRank on MRR.
    """

    depth: Annotated[int, Interval(ge=1, le=10_000)] = 200
