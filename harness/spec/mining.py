"""How negatives are chosen."""

from typing import Annotated, Literal, Self

from annotated_types import Interval, MinLen
from pydantic import Field, model_validator

from harness.spec.base import Component, Spec, unset

__all__ = [
    "Boundary",
    "ConfirmSpec",
    "Margin",
    "MiningSpec",
    "Mix",
    "MixSpec",
    "PositiveAgg",
    "RepairAction",
    "RepairSpec",
    "Share",
    "Shortage",
    "SuspectSpec",
    "Threshold",
]

Shortage = Literal["keep", "backfill_deeper", "backfill_random", "drop"]
Mix = Literal["cross_sample", "intra_sample", "intra_sample_keep"]
RepairAction = Literal["drop_negative", "relabel_positive", "drop_query", "downweight"]

PositiveAgg = Literal["per_pair", "min", "mean", "max"]
"""Which positive's score counts: this pair's, or one over all labelled positives of the query."""

Boundary = Literal["below", "at_or_below"]
"""Whether a candidate exactly at a ceiling is refused (`below`) or kept (`at_or_below`)."""

Threshold = Annotated[float, Interval(ge=-1000.0, le=1000.0)]
Margin = Annotated[float, Interval(ge=-1000.0, le=1000.0)]
Share = Annotated[float, Interval(ge=0.0, le=1.1)]


class MixSpec(Spec):
    """Negatives from several teachers: the mining's own and `others`; each has a pool, the miner runs on each.

    - `cross_sample`: all negatives of a pair from one teacher, drawn uniformly;
    - `intra_sample`: one from each teacher in turn, a document that is taken giving way to the next;
    - `intra_sample_keep`: likewise, but a document may come twice.
    """

    how: Mix
    others: Annotated[tuple[Component, ...], MinLen(1)]


class ConfirmSpec(Spec):
    """Only candidates that a second teacher finds irrelevant: its probability is strictly below `ceiling`.

    The first `scan` candidates are judged; where too few are confirmed, the miner's
    candidates behind them are drawn uniformly, unjudged. `probability` says what makes
    the second teacher's score a probability: nothing, or the logistic function.
    """

    teacher: Component
    ceiling: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.1
    scan: Annotated[int, Interval(ge=0, le=10_000)] = 50
    probability: Literal["identity", "sigmoid"] = "identity"


class SuspectSpec(Spec):
    """Which mined negatives are suspected: those not under every ceiling that is set.

    Scores and positives are those of `teacher`, by default the one that mined.
    """

    teacher: Component | None = None
    threshold: Threshold | None = None
    margin: Margin | None = None
    share: Share | None = None
    boundary: Boundary = "below"
    positive_agg: PositiveAgg = "per_pair"

    @model_validator(mode="after")
    def _some_ceiling_is_set(self) -> Self:
        if self.threshold is None and self.margin is None and self.share is None:
            message = "it needs a threshold, a margin or a share"
            raise ValueError(message)
        return self


class RepairSpec(Spec):
    """What becomes of mined negatives that are suspected, and of queries that have more than `cap` of them.

    `suspect` is a rule, or `truth`: the hidden positives, a bound on any rule. `weight`
    belongs to `downweight`.
    """

    action: RepairAction
    suspect: SuspectSpec | Literal["truth"]
    cap: Annotated[int, Interval(ge=0, le=1000)] | None = 8
    weight: Annotated[float, Interval(ge=0.0, le=1.0)] | None = None

    @model_validator(mode="after")
    def _a_weight_belongs_to_downweight(self) -> Self:
        if (self.weight is None) == (self.action == "downweight"):
            message = "the action downweight, and no other, needs a weight"
            raise ValueError(message)
        return self


class MiningSpec(Spec):
    """How negatives are chosen: which teacher scores, how deep, which miner, what on shortage.

    Then what goes around the miner, absent by default and then no part of any digest:
    `confirm` before it, `mix` and `repair` behind it, the shortage policy last. With
    `redraw` every epoch has negatives of its own.
    """

    teacher: Component
    miner: Component
    depth: Annotated[int, Interval(ge=1, le=10_000)] = 100
    on_shortage: Shortage = "backfill_deeper"
    confirm: Annotated[ConfirmSpec | None, Field(exclude_if=unset)] = None
    mix: Annotated[MixSpec | None, Field(exclude_if=unset)] = None
    repair: Annotated[RepairSpec | None, Field(exclude_if=unset)] = None
    redraw: Annotated[bool, Field(exclude_if=unset)] = False

    @model_validator(mode="after")
    def _a_repair_needs_one_draw(self) -> Self:
        if self.redraw and self.repair is not None:
            message = "redraw and repair exclude each other: every epoch would drop other queries"
            raise ValueError(message)
        return self

    @property
    def teachers(self) -> dict[str, Component]:
        """All teachers by the dotted key under which they stand, that of the pool first."""
        found = {"teacher": self.teacher}
        if self.mix is not None:
            found |= {f"mix.others[{place}]": other for place, other in enumerate(self.mix.others)}
        if self.confirm is not None:
            found["confirm.teacher"] = self.confirm.teacher
        if self.repair is not None and isinstance(self.repair.suspect, SuspectSpec) and self.repair.suspect.teacher:
            found["repair.suspect.teacher"] = self.repair.suspect.teacher
        return found
