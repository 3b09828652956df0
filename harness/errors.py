"""Every error that a user of Winnow can meet, with the exit code of its class.

```
WinnowError              1  anything that fits nowhere below
├── ConfigError          2  a sweep file or an argument is wrong
├── DataError            3  a collection is missing, unreadable or inconsistent
├── ModelError           4  a model is missing, out of reach or not the one it should be
├── StorageError         5  the disk is full, read-only, or an artefact cannot be kept
├── NumericError        10  NaN or infinity in embeddings, scores or loss: stops one run
├── RunsFailedError     11  some runs of a sweep failed; the others are finished
├── DeviceMemoryError   12  the memory of a GPU is too small: stops one run
└── WorkerDiedError      1  a process that a run needs was killed: the run is tried again
```

An interrupted command exits with 130 (Ctrl-C) or 143 (SIGTERM).
"""

import errno

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceMemoryError",
    "ModelError",
    "NumericError",
    "RunsFailedError",
    "StorageError",
    "WinnowError",
    "WorkerDiedError",
    "storage_error",
]

INTERRUPTED = 130


class WinnowError(Exception):
    """Base of every error that Winnow raises on purpose; its text is for the user."""

    exit_code = 1


class ConfigError(WinnowError):
    """A sweep file or an argument is wrong; the text lists every mistake, one a line."""

    exit_code = 2


class DataError(WinnowError):
    """A collection is missing, unreadable or inconsistent."""

    exit_code = 3


class ModelError(WinnowError):
    """A model is missing, cannot be reached, or is not the one it should be."""

    exit_code = 4


class StorageError(WinnowError):
    """A file cannot be written, or a kept artefact cannot be trusted."""

    exit_code = 5


class NumericError(WinnowError):
    """NaN or infinity where a number is needed."""

    exit_code = 10


class RunsFailedError(WinnowError):
    """Some runs of a sweep failed; those that finished are kept."""

    exit_code = 11


class DeviceMemoryError(WinnowError):
    """The memory of the device is too small for what is asked; `step` is how many training steps were made before."""

    exit_code = 12

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step


class WorkerDiedError(WinnowError):
    """A process that did a job, or a part of it, was killed or ran out of memory, `seconds` after the job began."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EIO: "the disk reports an input/output error",
}


def storage_error(error: OSError, path: object) -> StorageError:
    """Say in one line why `path` could not be written."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"cannot write {path}: {reason}")
