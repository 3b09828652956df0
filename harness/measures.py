"""What is measured on the negatives and batches of a run; plain data."""

from typing import Annotated, Literal

from pydantic import Field

from harness.spec import Spec

__all__ = ["AuditRecord", "BatchingRecord", "Clustering", "Differences", "Histograms", "RefreshRecord", "Yield"]


def _nothing(count: int) -> bool:
    return count == 0


class Yield(Spec):
    """What became of the training pairs; every pair is in exactly one of the first three counts.

    `full`, `partial` and `empty` count pairs to which the miner gave all, some or none
    of the negatives asked for; `backfilled` counts negatives added by the shortage
    policy; `dropped` counts pairs not trained on, for whatever reason; `trained` the rest.
    Where a repair follows the miner, what it took out counts as not given; `suspected`
    counts the (query, document) pairs that it acted on, `relabelled` the pairs trained
    on beside the labelled ones.
    """

    full: int
    partial: int
    empty: int
    backfilled: int
    dropped: int
    trained: int
    suspected: Annotated[int, Field(exclude_if=_nothing)] = 0
    relabelled: Annotated[int, Field(exclude_if=_nothing)] = 0

    @property
    def pairs(self) -> int:
        """All labelled pairs of the training split."""
        return self.full + self.partial + self.empty


class Histograms(Spec):
    """Teacher scores by kind, counted in equal bins that all arms of a teacher share.

    `edges` has one entry more than each count. Kinds: `positive`, `negative` (trained
    on), `removed` (candidates that the miner's filter refused) and `hidden` (every
    hidden positive among the candidates, mined or not).
    """

    edges: tuple[float, ...]
    counts: dict[Literal["positive", "negative", "removed", "hidden"], tuple[int, ...]]


class Differences(Spec):
    """How far below its positive each negative lies: positive minus negative teacher score, counted in equal bins.

    All arms of a teacher share the bins; `edges` has one entry more than `counts`, and
    0 is one of them: what lies left of it scores above its positive.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


def _absent(value: object) -> bool:
    return value is None


class AuditRecord(Spec):
    """What the mined negatives are.

    `contamination` is `hidden` / `negatives`: the share of mined negatives that are
    hidden positives. `hardness` is the mean over negatives with a teacher score of
    score minus its positive's score. `overlap` is the overlap coefficient of the
    densities of positive and negative scores, `auc` the probability that a positive
    scores above a negative (ties count half), both pooled over queries. `differences`
    is None in records that were written before it was kept.
    """

    negatives: int
    hidden: int
    contamination: float
    hardness: float | None
    removed: int
    hidden_removed: int
    hidden_in_pool: int
    overlap: float | None
    auc: float | None
    histograms: Histograms
    differences: Annotated[Differences | None, Field(exclude_if=_absent)] = None


class RefreshRecord(Spec):
    """How the negatives of a training changed; entry i of each tuple belongs to refresh i.

    `step` counts the updates that the model had had, `first_used` is the first step, from
    1, that trained on what the refresh brought: None where the training ended before.
    `seconds` is what it took, `replaced` counts negatives that their pair did not have
    before, `changed` is their share of all negatives looked at, None where there were
    none before to compare with. Staleness is counted over the steps: how many updates lie
    between the model that last chose the negatives of a step, or kept them, and the model
    that the step trains; negatives from before the training count as chosen at its start.
    """

    step: tuple[int, ...] = ()
    first_used: tuple[int | None, ...] = ()
    seconds: tuple[float, ...] = ()
    replaced: tuple[int, ...] = ()
    changed: tuple[float | None, ...] = ()
    staleness_mean: float
    staleness_max: int


class Clustering(Spec):
    """Clusters that a batcher made at the beginning of `epoch`, counted from 0: how many, and their sizes in pairs."""

    epoch: int
    clusters: int
    smallest: int
    largest: int


class BatchingRecord(Spec):
    """What choosing the batches of a training did.

    `conflicts` counts, for each epoch, the twosomes of one batch that make a false
    negative: the positive of one is a positive of the other's query in some pair that is
    trained on. `clusterings` are those of batchers that cluster. `seconds` is wall-clock
    time, embedding included.
    """

    conflicts: tuple[int, ...] = ()
    clusterings: tuple[Clustering, ...] = ()
    seconds: float = 0.0
