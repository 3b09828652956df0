"""What a base must offer."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Base", "device"]


class Base(Protocol):
    """A model to start from; parameters are the fields of the class."""

    seconds_per_pair: float
    """Rough cost of one training pair with four negatives on one CPU core, for estimates only."""

    def identity(self) -> str:
        """Return a digest of weights and architecture; no heavy import."""
        ...

    def load(self, *, max_length: int, texts: Iterable[str]) -> "SentenceTransformer":
        """Return a fresh copy, the same each time. `texts` are all that it will be asked to embed.

        What `prompts` of the copy holds under `query` and `document` is put before every
        query and document, in training and evaluation.
        """
        ...


def device() -> str:
    """Return `cuda` where there is a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
