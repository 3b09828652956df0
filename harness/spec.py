"""Frozen, validated descriptions of what is to be run; no behaviour beyond their identity."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal, Self

from annotated_types import Interval, MinLen
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from harness.fingerprint import digest

__all__ = [
    "STRICT",
    "Amendment",
    "ArmSpec",
    "Boundary",
    "BudgetSpec",
    "Comparison",
    "Component",
    "ConfirmSpec",
    "DropOwn",
    "EarlyStoppingSpec",
    "FurtherSets",
    "GuardSpec",
    "Margin",
    "MetricName",
    "Minimised",
    "MiningSpec",
    "Mix",
    "MixSpec",
    "PlannedRun",
    "PositiveAgg",
    "PruneSpec",
    "RangeSpec",
    "RepairAction",
    "RepairSpec",
    "RunSpec",
    "Sampler",
    "SearchSpec",
    "Share",
    "Shortage",
    "Spec",
    "SplitRoles",
    "SuspectSpec",
    "SweepPlan",
    "SweepSpec",
    "Threshold",
    "TrainingSpec",
]

STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)
"""How strategies (pydantic dataclasses) and specs are validated: no coercion, no unknown key."""

SCHEMA = 1
"""Raised when a run with the same spec would no longer give the same numbers."""

Shortage = Literal["keep", "backfill_deeper", "backfill_random", "drop"]
MetricName = Literal["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100", "auc"]
DropOwn = Literal["auto", "always", "never"]
"""When a document that bears the query's own id is left out of its ranking; see `harness.evaluation.own_document`."""

Mix = Literal["cross_sample", "intra_sample", "intra_sample_keep"]
RepairAction = Literal["drop_negative", "relabel_positive", "drop_query", "downweight"]
SafeName = Annotated[str, MinLen(1)]

PositiveAgg = Literal["per_pair", "min", "mean", "max"]
"""Which positive's score counts: this pair's, or one over all labelled positives of the query."""

Boundary = Literal["below", "at_or_below"]
"""Whether a candidate exactly at a ceiling is refused (`below`) or kept (`at_or_below`)."""

Threshold = Annotated[float, Interval(ge=-1000.0, le=1000.0)]
Margin = Annotated[float, Interval(ge=-1000.0, le=1000.0)]
Share = Annotated[float, Interval(ge=0.0, le=1.1)]


class Spec(BaseModel):
    """Base of all specs: frozen, strict, unknown keys refused; `expected` is how a file gives one."""

    expected: ClassVar[str] = "a mapping"
    model_config = STRICT


class Component(Spec):
    """A registered strategy by name, with every parameter written out."""

    expected: ClassVar[str] = "a name, or a mapping with a name"
    name: SafeName
    params: dict[str, JsonValue] = {}

    @property
    def label(self) -> str:
        """Name and parameters as a person writes them: `topk_percpos(k=4, share=0.95)`."""
        inside = ", ".join(f"{key}={value}" for key, value in sorted(self.params.items()))
        return f"{self.name}({inside})" if inside else self.name


def _unset(value: object) -> bool:
    return value is None or value is False or value == ()


class EarlyStoppingSpec(Spec):
    """Stop when the dev metric has not risen for `patience` looks, `every` steps apart, and go back to its best."""

    expected: ClassVar[str] = "every, patience and metric"
    every: Annotated[int, Interval(ge=1, le=1_000_000)]
    patience: Annotated[int, Interval(ge=1, le=1000)] = 3
    metric: MetricName = "ndcg_at_10"


class TrainingSpec(Spec):
    """Settings of one training, the same for every arm unless an arm says otherwise.

    `batch_size` counts pairs; `learning_rate` is the peak of a linear schedule with
    warm-up over `warmup_share` of the steps. The rest is absent by default and then no
    part of any digest: `guides` are the teachers whose scores the loss looks up, by
    default the one that mines; `batching` says which pairs stand in one batch, by
    default chance; `refresh` whether negatives change during training, by default they
    do not; with `mask_known_positives` no document takes part as a negative of a query
    for which it is labelled. `micro_batch` bounds how many texts are embedded at once
    with gradients kept; the batch that the loss sees stays whole.
    """

    epochs: Annotated[int, Interval(ge=1, le=1000)] = 3
    batch_size: Annotated[int, Interval(ge=2, le=65536)] = 64
    learning_rate: Annotated[float, Interval(gt=0.0, le=1.0)] = 2e-3
    warmup_share: Annotated[float, Interval(ge=0.0, lt=1.0)] = 0.1
    loss: Component = Component(name="info_nce")
    guides: Annotated[tuple[Component, ...], Field(exclude_if=_unset)] = ()
    batching: Annotated[Component | None, Field(exclude_if=_unset)] = None
    refresh: Annotated[Component | None, Field(exclude_if=_unset)] = None
    mask_known_positives: Annotated[bool, Field(exclude_if=_unset)] = False
    early_stopping: Annotated[EarlyStoppingSpec | None, Field(exclude_if=_unset)] = None
    micro_batch: Annotated[Annotated[int, Interval(ge=1, le=65536)] | None, Field(exclude_if=_unset)] = None


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
    confirm: Annotated[ConfirmSpec | None, Field(exclude_if=_unset)] = None
    mix: Annotated[MixSpec | None, Field(exclude_if=_unset)] = None
    repair: Annotated[RepairSpec | None, Field(exclude_if=_unset)] = None
    redraw: Annotated[bool, Field(exclude_if=_unset)] = False

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


class ArmSpec(Spec):
    """A recipe with its base and training settings.

    Without `training` the base is evaluated as it is; without `mining` the only
    negatives are those of the batch. `max_length`, in tokens, cuts every text that the
    base is given, in training and evaluation.
    """

    name: SafeName
    base: Component
    max_length: Annotated[int, Interval(ge=8, le=8192)] = 128
    mining: MiningSpec | None = None
    training: TrainingSpec | None = None

    @model_validator(mode="after")
    def _mined_negatives_are_trained_on(self) -> Self:
        if self.mining is not None and self.training is None:
            message = "an arm that is not trained has no use for a miner"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_refresh_goes_together_with_its_mining(self) -> Self:
        if self.training is None or self.training.refresh is None or self.mining is None:
            return self
        for part in ("redraw", "repair", "mix"):
            if getattr(self.mining, part):
                message = f"the refresh {self.training.refresh.name} and {part} exclude each other"
                raise ValueError(message)
        return self


def _empty(value: object) -> bool:
    return value == ()


def _usual(value: object) -> bool:
    return value == "auto"


Sentences = Annotated[tuple[Annotated[str, MinLen(1)], ...], Field(exclude_if=_empty)]
"""Sentences about a sweep; where there are none, no part of any digest."""

FurtherSets = Annotated[tuple[Component, ...], Field(exclude_if=_empty)]
"""Datasets that runs are evaluated on besides their own; where there are none, no part of any digest."""

OwnDocument = Annotated[DropOwn, Field(exclude_if=_usual)]
"""`auto` is no part of any digest."""


def _without_paths(value: JsonValue) -> JsonValue:
    """Drop every mapping entry called `path`, at any depth."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items() if key != "path"}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return value


class RunSpec(Spec):
    """One arm on one dataset with one seed; everything that its numbers depend on.

    `identities` holds the content digests of dataset, teacher and base.
    `equal_with` lists the minings of the other arms when pairs that any of them
    cannot serve are dropped from all (`on_shortage: drop` with `equal_queries`).
    `evaluate` are the datasets that it is evaluated on besides its own.
    """

    arm: ArmSpec
    dataset: Component
    seed: Annotated[int, Interval(ge=0, lt=2**31)]
    identities: dict[str, str]
    equal_with: tuple[MiningSpec, ...] = ()
    evaluate: FurtherSets = ()
    drop_own: OwnDocument = "auto"

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits over all of the content.

        The arm's name is no part of it, nor is any parameter called `path`: what lies
        there is in `identities`.
        """
        return digest([SCHEMA, self._content()], 16)

    def with_seeds(self, seeds: Iterable[int]) -> Iterator[tuple[str, "RunSpec"]]:
        """Yield this run with each of some seeds, and its fingerprint; what they share is digested from one dump."""
        content = self._content()
        for seed in seeds:
            yield digest([SCHEMA, content | {"seed": seed}], 16), self.model_copy(update={"seed": seed})

    def _content(self) -> dict[str, JsonValue]:
        content = self.model_dump(mode="json")
        del content["arm"]["name"]
        return {key: _without_paths(value) for key, value in content.items() if key != "path"}


Sampler = Literal["tpe", "random", "qmc", "gp", "nsga2"]
"""How the points of a search are chosen; see `harness.search`."""

Minimised = Literal["contamination", "cost"]
"""What a search may lower while it raises the dev metric; see `harness.objectives`."""


class RangeSpec(Spec):
    """Bounds of one searched parameter, both included; unset bounds come from its annotation."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False


class GuardSpec(Spec):
    """A guard in front of the dev split of a search, see `harness.stats.Thresholdout`; in units of the metric."""

    expected: ClassVar[str] = "threshold, scale and budget"
    threshold: Annotated[float, Interval(ge=0.0, le=1.0)]
    scale: Annotated[float, Interval(ge=0.0, le=1.0)]
    budget: Annotated[int, Interval(ge=1, le=10_000)]


class BudgetSpec(Spec):
    """What the points of a search may cost together; at least one limit is set.

    `runs` counts runs, `hours` wall-clock hours, `device_hours` the hours of all runs added up.
    """

    expected: ClassVar[str] = "runs, hours and device_hours"
    runs: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    hours: Annotated[float, Interval(gt=0.0, le=100_000.0)] | None = None
    device_hours: Annotated[float, Interval(gt=0.0, le=1_000_000.0)] | None = None

    @model_validator(mode="after")
    def _some_limit_is_set(self) -> Self:
        if self.runs is None and self.hours is None and self.device_hours is None:
            message = "it needs runs, hours or device_hours"
            raise ValueError(message)
        return self


class PruneSpec(Spec):
    """Give a point up that is worse on dev than the best so far; see `harness.pruning`.

    `p_threshold` is that of a one-sided Wilcoxon test, `block` the number of queries whose
    mean is one observation.
    """

    expected: ClassVar[str] = "name, p_threshold and block, or wilcoxon"
    name: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[float, Interval(gt=0.0, lt=0.5)] = 0.1
    block: Annotated[int, Interval(ge=1, le=10_000)] = 1


class SearchSpec(Spec):
    """A search over parameters of one arm, by Optuna, on the dev split only.

    `space` maps a dotted parameter (`miner.share`, `training.learning_rate`) to its range.
    With `guard` half of the dev queries answer only where they contradict the other half;
    `minimise` is a second objective, `budget` ends it before `trials`, `prune` gives points
    up early. All four are absent by default, and then no part of any digest.
    """

    arm: str
    trials: Annotated[int, Interval(ge=1, le=10_000)]
    space: dict[str, RangeSpec]
    sampler: Sampler = "tpe"
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    guard: Annotated[GuardSpec | None, Field(exclude_if=_unset)] = None
    minimise: Annotated[Minimised | None, Field(exclude_if=_unset)] = None
    budget: Annotated[BudgetSpec | None, Field(exclude_if=_unset)] = None
    prune: Annotated[PruneSpec | None, Field(exclude_if=_unset)] = None

    @model_validator(mode="after")
    def _points_are_given_up_by_one_open_objective(self) -> Self:
        for other in ("guard", "minimise"):
            if self.prune is not None and getattr(self, other) is not None:
                message = f"prune and {other} exclude each other"
                raise ValueError(message)
        return self


class SweepSpec(Spec):
    """Everything a sweep file says.

    `baseline` names the arm that each of `comparisons` is compared with; without
    `comparisons` every other arm is. `metric` on the test split decides the headline.
    Every run is evaluated on the datasets of `evaluate` too. `exclusions` say beforehand
    what will be left out of the analysis, and on what grounds.
    """

    name: str
    question: str
    datasets: Annotated[tuple[Component, ...], MinLen(1)]
    arms: Annotated[tuple[ArmSpec, ...], MinLen(1)]
    seeds: Annotated[tuple[Annotated[int, Interval(ge=0, lt=2**31)], ...], MinLen(1)] = (0, 1, 2)
    metric: MetricName = "ndcg_at_10"
    baseline: str | None = None
    comparisons: tuple[str, ...] | None = None
    equal_queries: bool = True
    search: SearchSpec | None = None
    evaluate: FurtherSets = ()
    drop_own: OwnDocument = "auto"
    exclusions: Sentences = ()

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            message = "must be 1 to 64 letters, digits, '.', '_' or '-', and start with a letter or digit"
            raise ValueError(message)
        return name

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            message = f"seeds must differ, got {list(seeds)}"
            raise ValueError(message)
        return seeds


class Comparison(Spec):
    """One comparison planned before the first run: `arm` minus `baseline` on `dataset`."""

    arm: str
    baseline: str
    dataset: str


class PlannedRun(Spec):
    """Where a run stands in its sweep; `fingerprint` finds its record."""

    fingerprint: str
    arm: str
    dataset: str
    seed: int


class Amendment(Spec):
    """That a plan gave way: its hash, how many of its runs had finished by then, and the changes in words."""

    hash: str
    finished: int
    changes: tuple[str, ...]


class SplitRoles(Spec):
    """On which split a search tunes, and which one the comparisons judge."""

    tune: Literal["dev"] = "dev"
    judge: Literal["test"] = "test"


class SweepPlan(Spec):
    """What `plan.json` holds: fixed before the first run, the index of the runs afterwards.

    `splits` say what is tuned and judged on, `family` how the planned comparisons are
    corrected, taken together: both are the same for every sweep. `hash` is the digest of
    all that was chosen; `amends` lists the hashes of earlier plans of the same sweep,
    oldest first, and `amendments` what followed each, as far as it was kept.
    """

    name: str
    question: str
    metric: MetricName
    seeds: tuple[int, ...]
    equal_queries: bool
    arms: tuple[ArmSpec, ...]
    datasets: tuple[Component, ...]
    comparisons: tuple[Comparison, ...]
    runs: tuple[PlannedRun, ...]
    search: SearchSpec | None = None
    evaluate: FurtherSets = ()
    drop_own: OwnDocument = "auto"
    exclusions: Sentences = ()
    splits: SplitRoles = SplitRoles()
    family: Literal["holm"] = "holm"
    hash: str = ""
    amends: tuple[str, ...] = ()
    amendments: Annotated[tuple[Amendment, ...], Field(exclude_if=_empty)] = ()
