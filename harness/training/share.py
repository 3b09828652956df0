"""One process's share of a batch: embedded at once, given the gradients of its embeddings later."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, RandContext
from sentence_transformers.base.losses.merged_forward import embed_columns

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Features", "Share", "bounds", "cut"]

Features = dict[str, torch.Tensor]
"""One column of a batch as the model's tokeniser gives it."""


def bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Divide so many pairs among `count` processes: (begin, end) of each, the first ones one larger or equal."""
    least, more = divmod(size, count)
    ends = [least * part + min(part, more) for part in range(count + 1)]
    return list(pairwise(ends))


def cut(features: Features, begin: int, end: int) -> Features:
    """Take the texts from `begin` to before `end` out of a column.

    A static embedding's texts follow each other in `input_ids`, and `offsets` says where
    each begins; elsewhere a row is a text.
    """
    offsets = features.get("offsets")
    if offsets is None:
        size = len(features["input_ids"])
        return {
            key: value[begin:end] if isinstance(value, torch.Tensor) and len(value) == size else value
            for key, value in features.items()
        }
    ends = [*offsets.tolist(), len(features["input_ids"])]
    tokens = features["input_ids"][ends[begin] : ends[end]]
    return {**features, "input_ids": tokens, "offsets": offsets[begin:end] - ends[begin]}


class Share(CachedLossMixin):
    """The columns of some pairs of a batch.

    With a `micro_batch` no more than so many texts are embedded at once with what their
    gradients need, at the cost of embedding each twice, with the same random draws.
    """

    def __init__(
        self, model: "SentenceTransformer", columns: Sequence[Features], micro_batch: int | None = None
    ) -> None:
        self.model = model
        self._columns = columns
        self._micro_batch = micro_batch
        self._vectors: torch.Tensor | None = None
        self._random: list[RandContext | None] = []

    def embed(self) -> torch.Tensor:
        """Return the vectors of every column, cut off from how they came about. Shape (columns, pairs, d)."""
        if self._micro_batch is None:
            with torch.enable_grad():
                columns = embed_columns(self.model, self._columns)
                self._vectors = torch.stack([column.float() for column in columns])
            return self._vectors.detach()
        columns = []
        for features in self._columns:
            parts = []
            for begin in self._begins(features):
                vectors, state = self._embedded(features, begin, None)
                self._random.append(state)
                parts.append(vectors.float())
            columns.append(torch.cat(parts))
        return torch.stack(columns)

    def backward(self, gradients: torch.Tensor) -> None:
        """Add to the gradients of the parameters, given those of what `embed` returned, once."""
        if self._vectors is not None:
            self._vectors.backward(gradients)  # type: ignore[no-untyped-call]  # torch leaves it so
            return
        random = iter(self._random)
        for features, gradient in zip(self._columns, gradients, strict=True):
            for begin in self._begins(features):
                vectors, _ = self._embedded(features, begin, next(random))
                part = gradient[begin : begin + len(vectors)]
                vectors.float().backward(part)  # type: ignore[no-untyped-call]  # likewise

    def _begins(self, features: Features) -> range:
        assert self._micro_batch is not None  # noqa: S101  # there are parts
        return range(0, len(features["input_ids"]), self._micro_batch)

    def _embedded(
        self, features: Features, begin: int, random: RandContext | None
    ) -> tuple[torch.Tensor, RandContext | None]:
        """Embed a part: without gradients the first time, with them and the same `random` draws the second."""
        assert self._micro_batch is not None  # noqa: S101  # there are parts
        again = random is not None
        with torch.enable_grad():
            return self.embed_minibatch(
                features,
                begin,
                begin + self._micro_batch,
                with_grad=again,
                copy_random_state=not again,
                random_state=random,
            )
