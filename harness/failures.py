"""Which failures of a run may pass when it is tried again."""

__all__ = ["may_pass"]

_PASSING = frozenset(
    {
        "BlockingIOError",
        "BrokenPipeError",
        "ChildProcessError",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "DeviceMemoryError",
        "InterruptedError",
        "LeaseLostError",
        "MemoryError",
        "OSError",
        "OutOfMemoryError",
        "TimeoutError",
        "WorkerDiedError",
    }
)
"""Names of errors whose cause lies outside the run: other processes, memory that others held, a connection.

What is missing, forbidden, not finite or wrong in a file stays so: a second attempt would
fail alike.
"""


def may_pass(kind: str) -> bool:
    """Tell whether a failure of this kind, the name of an error, may not come again."""
    return kind in _PASSING
