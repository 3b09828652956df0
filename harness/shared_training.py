"""One training for all runs of a sweep that would train and evaluate alike.

A training is known by the digest of everything that it and the evaluation behind it
depend on. The folder `trainings` of a sweep has a file of that name which says which run
carries the training out; it is written before the training begins, and counts for
something only once that run has finished and is intact. So a kill at any instant leaves
nothing that could be believed and is wrong.
"""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from filelock import FileLock

from harness.collection import Collection
from harness.errors import StorageError, storage_error
from harness.fingerprint import digest
from harness.record import Environment, RunRecord, parse_record
from harness.spec import RunSpec
from harness.store import write_file
from harness.sums import intact_contents
from harness.training.data import TrainingData

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TRAININGS", "Sharing", "Source", "training_digest"]

TRAININGS = "trainings"
"""Name of the folder of trainings, beside that of the runs."""

_ARRAYS = ("query", "positive", "negative", "weight", "known")
_FILES = ("per_query.parquet", "rankings.parquet", "trace.parquet")
_FIELDS = ("metrics", "evaluated", "steps", "losses", "refresh", "batching", "stopping", "memory")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_POLL_SECONDS = 0.2


def training_digest(
    spec: RunSpec, collection: Collection, data: TrainingData, surroundings: Environment, processes: int = 1
) -> str:
    """Return 64 hex digits over all that a training and its evaluation depend on.

    How the negatives were chosen is no part of it, the arrays that come of it are; unless
    the arm's mining is asked again while it trains. `surroundings` are part of it since
    numbers may depend on versions, device and threads, and a record tells of one place only;
    and so are the `processes` that train together.
    """
    arrays = {name: _array_digest(getattr(data, name)) for name in _ARRAYS}
    content = [_without_mining(spec, data).fingerprint, collection.digest, arrays, data.paced, surroundings, processes]
    return digest(content)


def _without_mining(spec: RunSpec, data: TrainingData) -> RunSpec:
    """Return a run's spec without what only chose its negatives; a guide that it had from its mining is named."""
    arm, training = spec.arm, spec.arm.training
    if arm.mining is None or training is None or data.mining is not None:
        return spec
    chose = set(arm.mining.teachers)
    identities = {
        key: value for key, value in spec.identities.items() if key not in chose and not key.startswith("equal_with[")
    }
    if data.guides and not training.guides:
        training = training.model_copy(update={"guides": (arm.mining.teacher,)})
        identities |= {"guides[0]": spec.identities["teacher"]} if "teacher" in spec.identities else {}
    bare = arm.model_copy(update={"mining": None, "training": training})
    return spec.model_copy(update={"arm": bare, "identities": identities, "equal_with": ()})


def _array_digest(array: "np.ndarray | None") -> str:
    """Return the SHA-256 of an array's type, shape and content; of none, nothing."""
    if array is None:
        return ""
    state = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    state.update(array.tobytes())
    return state.hexdigest()


class Source(NamedTuple):
    """A finished run that trained what another would train: its record, and its tables as they lie on disk."""

    record: RunRecord
    files: dict[str, bytes]

    def lend(self, record: RunRecord) -> RunRecord:
        """Complete the record of a run that has only mined, with what came of the training; say whose it was."""
        lent = {name: getattr(self.record, name) for name in _FIELDS}
        return record.model_copy(update={**lent, "shared_with": self.record.fingerprint})


class Sharing:
    """Keeps a run from training what another has trained, or is training at this moment.

    A context: what `source` locks stays locked until its end, which must come after the
    run's record is written. The lock goes with the process that holds it, however it ends.
    """

    def __init__(self, runs: Path, fingerprint: str) -> None:
        self._runs = runs
        self._fingerprint = fingerprint
        self._lock: FileLock | None = None

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let others have the training."""
        if self._lock is not None:
            self._lock.release()

    def source(self, training: str) -> Source | None:
        """Wait until nobody carries this training out; return the run that has, None if this one is to do it.

        A run that is missing, did not finish or is not as it was written is none. Raises
        StorageError if the folder of trainings cannot be written.
        """
        path = self._runs.parent / TRAININGS / training
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path.with_suffix(".lock"))
            self._lock.acquire(poll_interval=_POLL_SECONDS)
        except OSError as error:
            raise storage_error(error, path) from error
        named = _named(path)
        source = None if named in ("", self._fingerprint) else _finished(self._runs / named)
        if source is None:
            write_file(path, f"{self._fingerprint}\n".encode())
        return source


def _named(path: Path) -> str:
    """Return the fingerprint that a file holds, nothing if there is none in it."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if _FINGERPRINT.fullmatch(text) else ""


def _finished(folder: Path) -> Source | None:
    try:
        contents = intact_contents(folder)
        record = parse_record(contents.get("record.json", b""), folder / "record.json")
    except StorageError:
        return None
    files = {name: contents[name] for name in _FILES if name in contents}
    return Source(record, files) if record.status == "finished" else None
