"""What an audit finds; plain data, and the schema of `audit.json`."""

from typing import Literal

from pydantic import JsonValue

from harness.measures import Histograms
from harness.spec import Spec

__all__ = [
    "Agreement",
    "AuditReport",
    "Counted",
    "Curve",
    "CurvePoint",
    "LinePoint",
    "Rate",
    "Removal",
    "StrategyAudit",
    "TeacherAudit",
    "TruthKind",
    "Verdict",
]

TruthKind = Literal["hidden", "judged", "none"]
"""What a chosen document is held against: hidden positives alone, these and judged non-relevant ones, or nothing."""

Verdict = Literal["suits", "too mild", "like chance", "starves", "no effect", "control", "unknown"]


class Rate(Spec):
    """A share, with its 95 % percentile bootstrap interval over queries."""

    value: float
    low: float
    high: float


class Counted(Spec):
    """What chosen documents are: hidden positives, judged non-relevant, or neither; the sum is `total`."""

    hidden: int
    judged: int
    unknown: int

    @property
    def total(self) -> int:
        """All chosen documents."""
        return self.hidden + self.judged + self.unknown


class Removal(Spec):
    """What a rule refused among some candidates.

    `candidates` and `hidden` count the candidates and the hidden positives among them,
    `removed` and `hidden_removed` those of them that the rule refused. `precision` is
    `hidden_removed` / `removed`, `recall` `hidden_removed` / `hidden`, and `base_rate`
    `hidden` / `candidates`: the precision of a rule that removes at random. None where
    nothing is there to divide by. With judged documents as truth only candidates that
    are known to be one or the other are counted.
    """

    candidates: int
    hidden: int
    removed: int
    hidden_removed: int
    precision: float | None
    recall: float | None
    base_rate: float | None


class LinePoint(Spec):
    """One setting: contamination and hardness of the negatives, and the share of pairs served in full."""

    value: float
    contamination: Rate | None
    hardness: float | None
    rank: float | None
    full: float


class CurvePoint(LinePoint):
    """A setting on a strategy's curve; `frontier` if no other setting is both cleaner and harder."""

    frontier: bool


class Curve(Spec):
    """A strategy over the range of the parameter that makes it stricter or milder.

    `given` is the value that the strategy was audited with. `halving` is the hardest
    setting found that serves enough pairs and has at most half of the naive
    contamination, searched between the points of the curve; None where there is none.
    """

    miner: str
    parameter: str
    given: float
    points: tuple[CurvePoint, ...]
    halving: LinePoint | None


class StrategyAudit(Spec):
    """One strategy on one teacher's pool, before any shortage policy.

    `bounds` are the lowest and the highest contamination that the unknown documents
    allow; only with judged documents as truth. `chance` is the contamination at which
    random removal gives negatives of the same hardness. `full`, `partial` and `empty`
    count pairs. `hardness` is the mean of a negative's score minus its positive's,
    `rank` the mean rank, from 1, among eligible candidates. `overlap` and `auc` compare
    the scores of positives and chosen negatives, `opis` says how badly one threshold
    between them fits all queries. `eci` is an experimental reading of ours.
    """

    miner: str
    strategy: str
    params: dict[str, JsonValue]
    counted: Counted
    contamination: Rate | None
    bounds: tuple[float, float] | None
    chance: float | None
    full: int
    partial: int
    empty: int
    hardness: float | None
    rank: float | None
    naive: Removal
    pool: Removal
    overlap: float | None
    auc: float | None
    opis: float | None
    eci: float | None
    verdict: Verdict
    histograms: Histograms

    @property
    def pairs(self) -> int:
        """All pairs of the pool."""
        return self.full + self.partial + self.empty


class TeacherAudit(Spec):
    """All strategies on the pool of one teacher.

    `naive` is the plain top-k; `opis` is that of the teacher: its positives, hidden ones
    in the pool included, against all other candidates. `oracle` removes a growing share
    of the hidden positives, `random` a growing share of all candidates.
    """

    teacher: str
    identity: str
    naive: LinePoint
    naive_counted: Counted
    hidden_in_pool: int
    opis: float | None
    strategies: tuple[StrategyAudit, ...]
    curves: tuple[Curve, ...]
    oracle: tuple[LinePoint, ...]
    random: tuple[LinePoint, ...]


class Agreement(Spec):
    """Mean Jaccard index over pairs of two teachers' naive negatives, in the order of `teachers`."""

    teachers: tuple[str, ...]
    jaccard: tuple[tuple[float | None, ...], ...]


class AuditReport(Spec):
    """Everything that an audit found; it depends on the collection, the strategies and the seed alone."""

    collection: str
    digest: str
    split: str
    seed: int
    depth: int
    k: int
    documents: int
    queries: int
    pairs: int
    truth: TruthKind
    hidden_positives: int
    judged_non_relevant: int
    resamples: int
    teachers: tuple[TeacherAudit, ...]
    agreement: Agreement
    schema_version: Literal[1] = 1
