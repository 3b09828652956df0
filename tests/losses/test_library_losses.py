"""Our losses against those of sentence-transformers on the same vectors: value and gradient."""

from itertools import product

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import (
    DistillKLDivLoss,
    GISTEmbedLoss,
    MarginMSELoss,
    MultipleNegativesRankingLoss,
    gist_embed,
)

from harness.losses.base import Batch, Cosines
from harness.losses.distillation import KLDistillation, MarginMSE
from harness.losses.gist import Gist
from harness.losses.info_nce import InfoNCE

EVERY = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
HARDNESS = {"in_batch": "in_batch_negatives", "hard": "hard_negatives", "all": "all_negatives", None: None}
B = 5


def columns(k: int, seed: int, width: int = 6) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(B, width, dtype=torch.float64, generator=rng) for _ in range(2 + k)]
    return [column.requires_grad_() for column in drawn]


def units(vectors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.nn.functional.normalize(column, dim=1) for column in vectors]


def ours(loss, vectors, guide=None, teacher=None):
    query, *documents = units(vectors)
    documents = torch.cat(documents)
    target = torch.arange(B)
    given = Batch(
        student=Cosines(query, documents),
        target=target,
        allowed=torch.ones(B, len(documents), dtype=torch.bool),
        own=target[:, None] + B * torch.arange(1, len(vectors) - 1),
        guide=None if guide is None else Cosines(units(guide)[0], torch.cat(units(guide)[1:])),
        teacher=teacher,
    )
    return loss(given).mean()


def assert_equal(left, right, vectors):
    pairs = zip(*(torch.autograd.grad(side, vectors) for side in (left, right)), strict=True)

    assert left.item() == pytest.approx(right.item(), abs=1e-6)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("directions", [EVERY[:1], EVERY[:2], EVERY[:3], EVERY, EVERY[::3]])
@pytest.mark.parametrize("hardness", HARDNESS)
def test_info_nce_in_one_softmax(k, directions, hardness):
    vectors, strength = columns(k, k), 0.0 if hardness is None else 9.0
    theirs = MultipleNegativesRankingLoss(
        None, scale=20.0, directions=directions, hardness_mode=HARDNESS[hardness], hardness_strength=strength
    )
    loss = InfoNCE(scale=20.0, directions=directions, hardness=hardness, hardness_strength=strength)

    assert_equal(ours(loss, vectors), theirs.compute_loss_from_embeddings(units(vectors), None), vectors)


@pytest.mark.parametrize("k", [0, 2])
def test_info_nce_with_one_softmax_for_each_direction(k):
    vectors, directions = columns(k, k), ("query_to_doc", "doc_to_query")
    theirs = MultipleNegativesRankingLoss(None, directions=directions, partition_mode="per_direction")
    loss = InfoNCE(directions=directions, partition="per_direction")

    assert_equal(ours(loss, vectors), theirs.compute_loss_from_embeddings(units(vectors), None), vectors)


def gist_of_the_library(monkeypatch, **settings):
    """Make a GISTEmbedLoss whose model and guide are the vectors themselves, with no tokenizer between."""
    loss = GISTEmbedLoss.__new__(GISTEmbedLoss)
    torch.nn.Module.__init__(loss)
    loss.__dict__ |= {"model": "model", "guide": "guide", "must_retokenize": False, "gather_across_devices": False}
    loss.__dict__ |= {"similarity_fct": torch.nn.CosineSimilarity(dim=-1), **settings}
    loss.__dict__["cross_entropy_loss"] = torch.nn.CrossEntropyLoss()
    monkeypatch.setattr(gist_embed, "embed_columns", lambda model, features: [each[model] for each in features])
    return loss


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize(("strategy", "margin"), list(product(["absolute", "relative"], [0.0, 0.2])))
@pytest.mark.parametrize("contrasts", list(product([True, False], [True, False])))
def test_gist(monkeypatch, k, strategy, margin, contrasts):
    queries, positives = contrasts
    vectors, guide = columns(k, 1), columns(k, 2, width=3)
    theirs = gist_of_the_library(
        monkeypatch,
        temperature=0.01,
        margin_strategy=strategy,
        margin=margin,
        contrast_anchors=queries,
        contrast_positives=positives,
    )
    loss = Gist(margin_strategy=strategy, margin=margin, contrast_queries=queries, contrast_positives=positives)
    features = [{"model": one, "guide": other} for one, other in zip(vectors, guide, strict=True)]

    left, right = ours(loss, vectors, guide=guide), theirs(features, None)

    assert_equal(left, right, vectors)
    unmasked = ours(Gist(margin=-2.0, contrast_queries=queries, contrast_positives=positives), vectors, guide=guide)
    assert left < unmasked - 1e-3  # the guide hides something


@pytest.mark.parametrize("k", [1, 3])
def test_margin_mse(k):
    vectors, teacher = columns(k, k), torch.randn(B, 1 + k, generator=torch.Generator().manual_seed(9))
    theirs = MarginMSELoss(None)

    left = ours(MarginMSE(scale=1.0), vectors, teacher=teacher[None])

    assert_equal(left, theirs.compute_loss_from_embeddings(units(vectors), teacher), vectors)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("student", "teachers"), [(1.0, 1.0), (0.05, 1.0), (2.0, 0.5)])
def test_kl_distillation_but_for_the_square_of_the_student_s_temperature(k, student, teachers):
    vectors, teacher = columns(k, k), torch.randn(B, 1 + k, generator=torch.Generator().manual_seed(9))
    theirs = DistillKLDivLoss(None, student_temperature=student, teacher_temperature=teachers)
    loss = KLDistillation(scale=1.0 / student, teacher_temperature=teachers)

    left = student**2 * ours(loss, vectors, teacher=teacher[None])

    assert_equal(left, theirs.compute_loss_from_embeddings(units(vectors), teacher), vectors)
