"""Batches made of matrices, to test losses on."""

from dataclasses import dataclass

import torch

from harness.losses.base import Batch

G = torch.tensor([[0.90, 0.70, 0.20], [0.30, 0.80, 0.75], [0.10, 0.40, 0.60]], dtype=torch.float64)
"""Three queries and their positives, on the diagonal; losses have known values on it."""


@dataclass(frozen=True)
class Given:
    """Similarities as they are given, those that a test does not give being absent."""

    query_document: torch.Tensor
    query_query: torch.Tensor | None = None
    positive_document: torch.Tensor | None = None


def batch(similarity: torch.Tensor, allowed: torch.Tensor | None = None, **rest: object) -> Batch:
    """Make a batch of similarities (b, c): positives on the diagonal, then the own negatives column by column."""
    b, c = similarity.shape
    target = torch.arange(b)
    own = target[:, None] + b * torch.arange(1, c // b)
    allowed = torch.ones(b, c, dtype=torch.bool) if allowed is None else allowed
    return Batch(**{"student": Given(similarity), "target": target, "allowed": allowed, "own": own} | rest)
