"""Our losses against those of pytorch-metric-learning on the same vectors: value and gradient."""

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import NTXentLoss

from harness.losses.base import Batch, Cosines
from harness.losses.info_nce import InfoNCE


@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("k", [0, 2])
def test_info_nce_is_nt_xent_of_queries_against_documents(scale: float, k: int) -> None:
    rng = torch.Generator().manual_seed(k)
    b = 6
    raw = [torch.randn(n, 5, dtype=torch.float64, generator=rng) for n in (b, b * (1 + k))]
    ours, theirs = ([part.clone().requires_grad_() for part in raw] for _ in range(2))
    labels = torch.arange(b)
    others = torch.arange(b, b + b * k)  # no query's label: negatives of all

    query, documents = (torch.nn.functional.normalize(part, dim=1) for part in ours)
    own = labels[:, None] + b * torch.arange(1, 1 + k)
    allowed = torch.ones(b, b * (1 + k), dtype=torch.bool)
    left = InfoNCE(scale=scale)(Batch(student=Cosines(query, documents), target=labels, allowed=allowed, own=own))
    nt_xent = NTXentLoss(temperature=1 / scale, distance=CosineSimilarity())
    right = nt_xent(theirs[0], labels, ref_emb=theirs[1], ref_labels=torch.cat([labels, others]))
    left.mean().backward()
    right.backward()

    assert left.mean().item() == pytest.approx(right.item(), abs=1e-6)
    assert all(torch.allclose(mine.grad, other.grad, atol=1e-6) for mine, other in zip(ours, theirs, strict=True))
