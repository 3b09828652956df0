"""What a search judges its points by: the dev metric, and one thing that it may lower as well."""

from collections.abc import Iterable, Sequence

from harness.errors import StorageError
from harness.record import RunRecord
from harness.spec import MetricName, Minimised

__all__ = ["MINIMISED", "dev_metric", "mean_minimised", "on_front", "texts_embedded"]

MINIMISED: dict[Minimised, str] = {
    "contamination": "share of mined negatives that are hidden positives",
    "cost": "texts embedded in training",
}
"""What each name stands for, for people."""


def dev_metric(record: RunRecord, metric: MetricName) -> float:
    """Return a metric's dev mean; raise StorageError for a record that was written before it was kept."""
    if metric not in record.metrics["dev"]:
        message = f"run {record.fingerprint} was recorded before {metric} was kept: delete its folder and start again"
        raise StorageError(message)
    return record.metrics["dev"][metric]


def mean_minimised(records: Iterable[RunRecord], what: Minimised) -> float:
    """Return the mean over finished runs; raise StorageError for one without an audit, which both need."""
    values = [_contamination(record) if what == "contamination" else texts_embedded(record) for record in records]
    return sum(values) / len(values)


def texts_embedded(record: RunRecord) -> float:
    """Return how many texts the training embedded: of each pair of a batch, the query, the positive and its negatives.

    A count and no time, so that a search which is repeated on another machine, or beside
    other work, is told the same.
    """
    training = record.spec.arm.training
    batch = training.batch_size if training is not None else 0
    negatives = record.audit.negatives / record.pairs if record.audit is not None and record.pairs else 0.0
    return record.steps * batch * (2.0 + negatives)


def _contamination(record: RunRecord) -> float:
    if record.audit is None:
        message = f"run {record.fingerprint} has no audit, and so no contamination to minimise"
        raise StorageError(message)
    return record.audit.contamination


def on_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of each point whether none is at least as good in both and better in one.

    The first number of a point is to be high, the second low.
    """
    return [not any(_dominates(other, point) for other in points) for point in points]


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] <= other[1] and one != other
