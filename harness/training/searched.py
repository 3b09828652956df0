"""The loss of queries against what they find in an index that stands still."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.errors import ConfigError, NumericError
from harness.losses.base import Batch, Loss
from harness.measures import RefreshRecord
from harness.mining.base import PADDING
from harness.mining.consensus import among
from harness.training.data import FloatArray, IntArray, TrainingData
from harness.training.refresh.ledger import Ledger
from harness.training.trace import Trace

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["OwnRows", "Searched"]

_BLOCK = 1 << 18
"""Documents that are compared with a batch of queries at once."""


@dataclass(frozen=True)
class OwnRows:
    """Similarities of queries with documents of their own: no other block has a meaning."""

    query_document: torch.Tensor

    @property
    def query_query(self) -> torch.Tensor:
        """Refuse."""
        raise ConfigError(_REFUSAL)

    @property
    def positive_document(self) -> torch.Tensor:
        """Refuse."""
        raise ConfigError(_REFUSAL)


_REFUSAL = "a loss that reads more than queries against documents cannot train on documents found for each query"


class Searched(torch.nn.Module):
    """The loss of a batch of queries as the trainer calls it.

    `index` (n_documents, d) holds unit vectors of all documents. In every step the
    `depth` nearest of each query, less those known to be relevant, are its negatives.
    Raises NumericError if the loss is not finite.
    """

    def __init__(
        self, model: "SentenceTransformer", loss: Loss, data: TrainingData, index: FloatArray, depth: int
    ) -> None:
        super().__init__()
        if loss.guidance != "none" or not loss.row_wise:
            raise ConfigError(_REFUSAL)
        self.model = model
        self._loss = loss
        self._data = data
        self._depth = min(depth, len(index))
        self.register_buffer("index", torch.from_numpy(index), persistent=False)
        self._last = np.full((len(data.query), self._depth), PADDING, dtype=np.int32)
        self._ledger = Ledger()
        self.trace = Trace()

    def forward(self, features: Iterable[dict[str, torch.Tensor]], labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss over the batch; `labels` (b, 1) holds each pair's number."""
        (column,) = features
        query = torch.nn.functional.normalize(self.model(column)["sentence_embedding"].float(), dim=1)
        with torch.autocast(query.device.type, enabled=False):  # what is nearest must not depend on bfloat16
            pairs = labels[:, 0].cpu().numpy().astype(np.int32)
            batch = self.batch(query, pairs)
        losses = self._loss(batch)
        self.trace.note(pairs, batch, losses)
        value = losses.mean()
        if not torch.isfinite(value):
            message = f"the training loss is {value.item()}"
            raise NumericError(message)
        return value

    def batch(self, query: torch.Tensor, pairs: IntArray) -> Batch:
        """Put together what the loss sees of unit vectors (b, d): the positive, then what the query finds."""
        start = time.perf_counter()
        found = self.nearest(query.detach())
        self._enter(pairs, found, time.perf_counter() - start)
        data = self._data
        document = np.concatenate([data.positive[pairs][:, None], found], axis=1)
        allowed = ~data.is_known(data.query[pairs], document) & (document != document[:, :1])
        allowed[:, 0] = True
        vectors = self.get_buffer("index")[torch.from_numpy(document).to(query.device)]
        return Batch(
            student=OwnRows((vectors @ query[:, :, None]).squeeze(2)),
            target=torch.zeros(len(pairs), dtype=torch.long, device=query.device),
            allowed=torch.from_numpy(allowed).to(query.device),
            own=torch.arange(1, document.shape[1], device=query.device).expand(len(pairs), -1),
        )

    def nearest(self, query: torch.Tensor) -> IntArray:
        """Return the documents with the highest cosines, best first. Shape (b, depth)."""
        index = self.get_buffer("index")
        score = query.new_empty((len(query), 0))
        document = torch.empty((len(query), 0), dtype=torch.long, device=query.device)
        for start in range(0, len(index), _BLOCK):
            block = query @ index[start : start + _BLOCK].T
            value, column = block.topk(min(self._depth, block.shape[1]), dim=1)
            score, order = torch.cat([score, value], dim=1).topk(
                min(self._depth, score.shape[1] + value.shape[1]), dim=1
            )
            document = torch.cat([document, column + start], dim=1).gather(1, order)
        found: IntArray = document.cpu().numpy().astype(np.int32)
        return found

    @property
    def settled(self) -> bool:
        """Whether a checkpoint may be written: always, between steps."""
        return True

    def remember(self) -> dict[str, object]:
        """Return what each query found last and the account so far, for a checkpoint."""
        return {"last": self._last, "ledger": asdict(self._ledger)}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go back to a checkpoint."""
        self._last, self._ledger = state["last"], Ledger(**state["ledger"])

    def record(self, steps: int) -> RefreshRecord:
        """Sum up a training of so many steps, each with negatives found by the model that it trains."""
        return self._ledger.record(range(steps))

    def _enter(self, pairs: IntArray, found: IntArray, seconds: float) -> None:
        """Compare what each query finds with what it found when it was last in a batch."""
        seen = self._last[pairs, 0] != PADDING
        new = ~among(found[seen], self._last[pairs[seen]], len(self._data.document_texts))
        self._last[pairs] = found
        self._ledger.enter(
            step=len(self._ledger.step), seconds=seconds, replaced=int(new.sum()), compared=int(new.size)
        )
