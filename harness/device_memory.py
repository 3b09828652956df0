"""Tell a device whose memory is too small from every other failure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.errors import DeviceMemoryError

__all__ = ["device_memory", "release"]


@contextmanager
def device_memory(doing: str, remedy: str, step: Callable[[], int] = int) -> Iterator[None]:
    """Turn PyTorch's out-of-memory error into a DeviceMemoryError that says what was being done and what helps.

    `step` is asked, when it happens, how many training steps have been made.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or "out of memory"
        message = f"the device's memory is too small for {doing}: {reason}. {remedy}"
        raise DeviceMemoryError(message, step()) from error


def release() -> None:
    """Hand cached memory back to the device, once nothing refers to what was in it."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
