"""From the columns of a batch to its loss: embeds, masks, looks up what the loss is guided by."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.base.losses.merged_forward import embed_columns

from harness.errors import NumericError
from harness.losses.base import Batch, Cosines, Loss
from harness.mining.base import PADDING
from harness.training.data import FloatArray, IntArray, TrainingData
from harness.training.trace import Trace

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from harness.training.peers import Peers

__all__ = ["Contrast"]

Features = dict[str, torch.Tensor]


class Contrast(CachedLossMixin, torch.nn.Module):
    """The loss of a batch as the trainer calls it.

    Columns are the query, its positive and its k negatives. `labels` (b, 1 + k) holds
    each pair's number, then its negatives. With a `micro_batch` no more than so many
    texts are embedded at once with what their gradients need, at the cost of embedding
    each twice (Gao et al. 2021, arXiv:2101.06983). With `peers` other processes embed their
    shares. `trace` notes the scores. Raises NumericError if the loss is not finite.
    """

    def __init__(
        self, model: "SentenceTransformer", loss: Loss, data: TrainingData, micro_batch: int | None = None
    ) -> None:
        super().__init__()
        self.trace = Trace()
        self.peers: Peers | None = None
        self.model = model
        self.uses_gradient_cache = micro_batch is not None
        self.mini_batch_size = micro_batch or 0
        self._loss = loss
        self._data = data

    def forward(self, features: Iterable[Features], labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss over the batch."""
        if self.peers is not None:
            micro_batch = self.mini_batch_size or None
            return self.peers.loss(list(features), micro_batch, lambda columns: self.of(columns, labels))
        if self.uses_gradient_cache:
            return self.forward_cached(features, labels)
        return self.of(embed_columns(self.model, features), labels)

    def calculate_loss(
        self, reps: list[list[torch.Tensor]], labels: torch.Tensor | None = None, *, with_backward: bool = False
    ) -> torch.Tensor:
        """Return the mean loss of a batch embedded in parts, as the mixin asks for it."""
        assert labels is not None  # noqa: S101  # `forward` has passed them
        value = self.of([torch.cat(parts) for parts in reps], labels)
        if with_backward:
            value.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
            return value.detach()
        return value

    def of(self, columns: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch whose columns are embedded, each of shape (b, d)."""
        query, *documents = (torch.nn.functional.normalize(column.float(), dim=1) for column in columns)
        numbers = labels.cpu().numpy().astype(np.int32)
        batch = self.batch(query, torch.cat(documents), numbers)
        losses = self._loss(batch)
        self.trace.note(numbers[:, 0], batch, losses)
        value = losses.mean()
        if not torch.isfinite(value):
            message = f"the training loss is {value.item()}"
            raise NumericError(message)
        return value

    def batch(self, query: torch.Tensor, documents: torch.Tensor, labels: IntArray) -> Batch:
        """Put together what the loss sees: unit vectors (b, d) and (c, d), labels (b, 1 + k)."""
        b, device = len(query), query.device
        rows, negatives = labels[:, 0], labels[:, 1:]
        document = np.concatenate([self._data.positive[rows], negatives.T.reshape(-1)])
        target = torch.arange(b, device=device)
        own = target[:, None] + b * torch.arange(1, negatives.shape[1] + 1, device=device)
        allowed = np.broadcast_to(np.not_equal(document, PADDING), (b, len(document)))
        if self._data.known is not None:
            allowed = allowed & ~self._data.is_known(self._data.query[rows], document)
            allowed[np.arange(b), np.arange(b)] = True
        return Batch(
            student=Cosines(query, documents),
            target=target,
            allowed=torch.tensor(allowed, device=device),
            own=own,
            weight=self._weight(rows, own, len(document)),
            guide=self._guide(rows, document, device),
            teacher=self._teacher(rows, negatives, device),
            document=torch.from_numpy(document).to(device),
        )

    def _weight(self, rows: IntArray, own: torch.Tensor, c: int) -> torch.Tensor | None:
        """Spread the weights (b, k) of each query's own negatives over all columns of the batch. Shape (b, c).

        A negative that is doubtful for its own query counts in full for the others.
        """
        if self._data.weight is None:
            return None
        weight = torch.ones((len(rows), c), device=own.device)
        return weight.scatter(1, own, torch.from_numpy(self._data.weight[rows]).to(weight))

    def _guide(self, rows: IntArray, document: IntArray, device: torch.device) -> Cosines | None:
        """Look up the guide's vectors; what stands for padding means nothing."""
        if self._loss.guidance != "blocks":
            return None
        (guide,) = self._data.guides
        query = guide.embed_queries()[self._data.query[rows]]
        documents = guide.embed_documents()[np.maximum(document, 0)]
        return Cosines(torch.from_numpy(query).to(device), torch.from_numpy(documents).to(device))

    def _teacher(self, rows: IntArray, negatives: IntArray, device: torch.device) -> torch.Tensor | None:
        """Look up the teachers' scores of each pair's positive and negatives. Shape (t, b, 1 + k)."""
        if self._loss.guidance != "scores":
            return None
        document = np.concatenate([self._data.positive[rows][:, None], negatives], axis=1)
        query = np.broadcast_to(self._data.query[rows][:, None], document.shape)
        present = np.not_equal(document, PADDING)
        scores: FloatArray = np.zeros((len(self._data.guides), *document.shape), dtype=np.float32)
        for place, guide in enumerate(self._data.guides):
            scores[place][present] = guide.score(query[present], document[present])
        return torch.from_numpy(scores).to(device)
