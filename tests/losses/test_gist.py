from dataclasses import replace

import pytest
import torch

from harness.errors import ConfigError
from harness.losses.gist import Gist
from harness.losses.info_nce import InfoNCE
from harness.losses.self_guided import SelfGuided
from tests.losses.batches import G, Given, S, batch

ALONE = {"contrast_queries": False, "contrast_positives": False}
SELF_ALONE = {"contrast_queries": False, "contrast_documents": False}


def hidden(loss, given):
    """List the documents that get no gradient, positives apart."""
    similarity = given.similarity.clone().requires_grad_()
    loss(replace(given, student=replace(given.student, query_document=similarity))).sum().backward()
    return torch.nonzero((similarity.grad == 0.0) & given.negative).tolist()


@pytest.mark.parametrize(
    ("params", "masked", "expected"),
    [
        ({"margin": -2.0}, [], 2.279311),
        ({"margin": 0.0}, [[0, 1], [2, 0]], 0.177079),
        ({"margin": 0.05}, [[0, 1], [1, 0], [2, 0]], None),
        ({"margin": 0.05, "margin_strategy": "relative"}, [[0, 1], [1, 0], [2, 0]], 0.006080),
    ],
)
def test_the_guide_hides_what_lies_above_its_ceiling(params, masked, expected):
    loss, given = Gist(scale=20.0, **params, **ALONE), batch(S, guide=Given(S))

    value = loss(given).mean().item()

    assert hidden(loss, given) == masked
    assert expected is None or value == pytest.approx(expected, abs=1e-6)


def test_a_relative_margin_lowers_the_ceiling_under_a_negative_score_too():
    guide = torch.tensor([[-0.5, -0.52], [-0.56, -0.5]], dtype=torch.float64)

    assert hidden(Gist(margin=0.1, margin_strategy="relative", **ALONE), batch(S[:2, :2], guide=Given(guide))) == [
        [0, 1]
    ]


@pytest.mark.parametrize(("boundary", "masked"), [("at_or_below", []), ("below", [[0, 1]])])
def test_the_boundary_decides_about_a_score_equal_to_the_positive_s(boundary, masked):
    guide = torch.tensor([[0.5, 0.5], [0.25, 0.5]])

    assert hidden(Gist(boundary=boundary, **ALONE), batch(S[:2, :2], guide=Given(guide))) == masked


def test_a_guide_that_ranks_the_positive_first_hides_nothing():
    guide = torch.eye(3)

    assert torch.equal(Gist(scale=20.0, **ALONE)(batch(G, guide=Given(guide))), InfoNCE()(batch(G)))


def test_no_text_is_its_own_negative_even_if_query_and_positive_are_the_same():
    same = torch.eye(3, dtype=torch.float64)
    given = batch(same, student=Given(same, same, same), guide=Given(same, same, same))
    terms = 3 * [torch.exp(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64))]
    expected = torch.stack([-(each[0] / each.sum()).log() for each in terms])

    assert torch.allclose(Gist(scale=1.0)(given), expected)


def test_a_guided_loss_without_a_guide_says_so():
    with pytest.raises(ConfigError, match="the loss needs a guide's similarities, and the batch has none"):
        Gist()(batch(G))


def test_the_student_hides_what_lies_above_its_own_ceiling():
    assert hidden(SelfGuided(**SELF_ALONE), batch(S)) == [[2, 0]]


def test_the_student_s_ceiling_is_strict_and_holds_for_queries_and_positives():
    student = Given(
        torch.tensor([[0.5, 0.75], [0.0, 0.5]]),
        torch.tensor([[1.0, 0.75], [0.875, 1.0]], requires_grad=True),
        torch.tensor([[1.0, 0.875], [0.75, 1.0]], requires_grad=True),
    )

    SelfGuided(margin=0.25)(batch(student.query_document, student=student)).sum().backward()

    assert (student.query_query.grad != 0.0).tolist() == [[False, True], [False, False]]
    assert (student.positive_document.grad != 0.0).tolist() == [[False, False], [True, False]]


def test_another_copy_of_the_positive_is_no_negative():
    similarity = torch.tensor([[0.8, 0.1, 0.8, 0.3], [0.2, 0.9, 0.2, 0.4]], dtype=torch.float64)
    given = batch(similarity, document=torch.tensor([7, 8, 7, 9]))

    assert hidden(SelfGuided(**SELF_ALONE), given) == [[0, 2]]
    assert hidden(SelfGuided(**SELF_ALONE), replace(given, document=None)) == []


def test_another_copy_of_the_positive_is_no_negative_of_the_positive_either():
    rng = torch.Generator().manual_seed(0)
    blocks = [0.5 * torch.rand(2, width, dtype=torch.float64, generator=rng) for width in (4, 2, 4)]
    student = Given(*(block.requires_grad_() for block in blocks))
    given = batch(student.query_document, student=student, document=torch.tensor([7, 8, 9, 7]))

    SelfGuided(margin=1.0)(given).sum().backward()

    assert (student.query_document.grad != 0.0).tolist() == [[True, True, True, False], [True] * 4]
    assert (student.positive_document.grad != 0.0).tolist() == [[False, True, False, False], [True, False, True, False]]
