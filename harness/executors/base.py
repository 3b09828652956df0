"""What an executor must offer."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, Self, TypeVar

from harness.errors import WinnowError, WorkerDiedError
from harness.teachers.base import Progress, Workspace

__all__ = [
    "Executor",
    "J",
    "Job",
    "MemoryLimitError",
    "Outcome",
    "StalledError",
    "TimeLimitError",
    "WorkerDiedError",
    "unheard",
]


class TimeLimitError(WorkerDiedError):
    """A job took longer than it may, and was ended."""


class MemoryLimitError(WorkerDiedError):
    """A job used more memory than it may, and was ended."""


class StalledError(WorkerDiedError):
    """A job's process gave no sign of life for too long, and was ended."""


class Job(Protocol):
    """Picklable work; safe to be carried out more than once."""

    @property
    def threads(self) -> int:
        """Threads that the work may use; its result may depend on them, so a run's are fixed."""
        ...

    def __call__(self, work: Workspace) -> object:
        """Do the work; what it returns must be picklable."""
        ...


J = TypeVar("J", bound=Job)

Outcome = object | WinnowError
"""What a job returned, or why it could not."""


def unheard(job: object) -> None:
    """Take no notice that a job is taken up."""


class Executor(Protocol):
    """Carries out jobs, several at a time."""

    def __enter__(self) -> Self:
        """Start whatever carries the jobs out."""
        ...

    def __exit__(self, *error: object) -> None:
        """End it, at once if there was an error."""
        ...

    def carry_out(
        self, jobs: Sequence[J], progress: Progress, begun: Callable[[J], None] = unheard
    ) -> Iterator[tuple[J, Outcome]]:
        """Yield each job with its outcome, in the order in which they end; `begun` hears of each that is taken up."""
        ...
