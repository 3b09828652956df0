"""How the scores of each pair develop over a training."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.losses.base import Batch
from harness.training.data import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

__all__ = ["Trace", "Traced"]


@dataclass(frozen=True)
class Traced:
    """One entry each time that a pair was in a batch, in the order of the steps.

    `epoch` (m,) counts from 0, `pair` (m,) numbers the pairs. `loss`, `positive` (the
    cosine of query and positive), `negative_mean` and `negative_variance` (of the cosines
    of the query and its negatives, NaN where it had none) have shape (m,) too.
    """

    epoch: IntArray
    pair: IntArray
    loss: FloatArray
    positive: FloatArray
    negative_mean: FloatArray
    negative_variance: FloatArray


@dataclass
class Trace:
    """Collects what each batch says of its pairs, and waits for the device only at the end.

    The summary, but never the scores themselves, of FT's visualisation (arXiv:2108.02982).
    """

    epoch: int = 0
    _batches: "list[tuple[int, IntArray, torch.Tensor]]" = field(default_factory=list)

    def note(self, pairs: IntArray, batch: Batch, losses: "torch.Tensor") -> None:
        """Note the batch of `pairs` (b,) and its losses (b,)."""
        import torch

        with torch.no_grad():
            negative = batch.negative
            count = negative.sum(dim=1)
            cosine = batch.similarity.masked_fill(~negative, 0.0)
            mean = cosine.sum(dim=1) / count
            apart = (cosine - mean[:, None]).masked_fill(~negative, 0.0)
            row = torch.stack([losses, batch.positive, mean, apart.square().sum(dim=1) / count])
        self._batches.append((self.epoch, pairs, row.detach()))

    def table(self) -> Traced:
        """Return all that was noted."""
        sizes = [len(pairs) for _, pairs, _ in self._batches]
        epochs = np.array([epoch for epoch, _, _ in self._batches], dtype=np.int32)
        pairs = [np.zeros(0, dtype=np.int32), *(pairs for _, pairs, _ in self._batches)]
        empty = np.zeros((4, 0), dtype=np.float32)
        rows = np.concatenate([empty, *(row.float().cpu().numpy() for _, _, row in self._batches)], axis=1)
        return Traced(np.repeat(epochs, sizes), np.concatenate(pairs).astype(np.int32), *rows)

    @property
    def settled(self) -> bool:
        """Whether a checkpoint may be written: always, between steps."""
        return True

    def remember(self) -> dict[str, object]:
        """Return what was noted, for a checkpoint."""
        return {"batches": [[epoch, pairs, row.cpu()] for epoch, pairs, row in self._batches]}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go back to a checkpoint."""
        self._batches = [(epoch, pairs, row) for epoch, pairs, row in state["batches"]]
