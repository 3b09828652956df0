"""The jobs that a sweep hands to an executor: a preparation, and a run."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.composition import Composer
from harness.leases import beat_of, take
from harness.sources.kept import load_collection
from harness.spec import Component, MiningSpec, RunSpec
from harness.teachers.base import Workspace

if TYPE_CHECKING:
    pass

from harness.pipeline import attempt, require_queries

__all__ = ["LEASES", "Ended", "Preparation", "RunJob", "prepare"]

LEASES = ".leases"
"""Name of the folder of leases, beside that of the runs."""


def prepare(dataset: Component, mining: MiningSpec | None, work: Workspace) -> None:
    """Put into the store what the runs on a dataset share: the collection, and the teachers' pools."""
    collection = load_collection(dataset, work.store)
    if mining is not None:
        Composer(mining, collection, work).pools()


@dataclass(frozen=True)
class Preparation:
    """The job of putting into the store what runs share."""

    dataset: Component
    mining: MiningSpec | None
    threads: int
    splits: tuple[str, ...] = ()
    """Splits that some run cannot do without."""

    def __call__(self, work: Workspace) -> None:
        """Load the collection and, if negatives are to be mined, build the pools."""
        work.progress(f"reading {self.dataset.name}", 0, 1)
        prepare(self.dataset, self.mining, work)
        require_queries(load_collection(self.dataset, work.store), self.splits)


class Ended(NamedTuple):
    """How an attempt at a run ended, and the token of the lease under which it was made."""

    status: str
    token: int


@dataclass(frozen=True)
class RunJob:
    """The job of carrying out one run; one thread, so that its numbers do not depend on how many run beside it."""

    spec: RunSpec
    runs: Path
    threads: int = 1
    checkpoint_minutes: float = 5.0

    def __call__(self, work: Workspace) -> Ended:
        """Take the run, carry it out and write its record; raise LeaseLostError if it was taken over meanwhile."""
        lease = take(self.runs.parent / LEASES, self.spec.fingerprint)
        with lease.beating():
            record = attempt(self.spec, work, self.runs, self.checkpoint_minutes, lease.fence)
        if record.status == "finished":
            lease.release()
        return Ended(record.status, lease.token)

    def pulse(self) -> Hashable:
        """Return what changes every few seconds while some process carries out the run."""
        return beat_of(self.runs.parent / LEASES, self.spec.fingerprint)
