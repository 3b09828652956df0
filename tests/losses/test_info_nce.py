import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from harness.errors import ConfigError
from harness.losses.info_nce import InfoNCE
from harness.registry import LOSSES
from tests.losses.batches import G, Given, S, batch


def test_the_golden_fixture_has_its_value():
    loss = InfoNCE(scale=10.0)(batch(G))

    assert loss.mean().item() == pytest.approx(0.2462794723, abs=1e-9)


def test_a_masked_document_counts_as_absent():
    allowed = torch.ones(3, 3, dtype=torch.bool)
    allowed[:, 1] = torch.tensor([False, True, False])

    masked = InfoNCE()(batch(G, allowed))[[0, 2]]
    absent = InfoNCE()(batch(G[[0, 2]][:, [0, 2]]))

    assert torch.allclose(masked, absent)


@given(st.integers(0, 1000))
def test_a_row_with_only_its_positive_has_loss_zero_and_no_gradient(seed):
    similarity = torch.rand(4, 7, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    allowed = torch.zeros(4, 7, dtype=torch.bool)
    allowed[torch.arange(4), torch.arange(4)] = True

    loss = InfoNCE()(batch(similarity, allowed))
    loss.sum().backward()

    assert loss.tolist() == [0.0] * 4
    assert torch.equal(similarity.grad, torch.zeros(4, 7))


def test_a_weight_multiplies_the_exponential_of_its_document():
    weight = torch.ones(3, 3, dtype=torch.float64)
    weight[0, 1], weight[2, 0] = 0.25, 0.5
    terms = torch.exp(10.0 * G) * weight
    expected = -torch.log(torch.diagonal(torch.exp(10.0 * G)) / terms.sum(dim=1))

    loss = InfoNCE(scale=10.0)(batch(G, weight=weight))

    assert torch.allclose(loss, expected, atol=1e-12)


def test_weights_of_one_change_nothing_and_a_weight_of_zero_takes_a_document_out():
    some = torch.ones(3, 3, dtype=torch.bool)
    some[0, 2] = some[1, 0] = False
    similarity = G.clone().requires_grad_()

    unweighted, masked = InfoNCE()(batch(G)), InfoNCE()(batch(G, some))
    zeros = InfoNCE()(batch(similarity, weight=some.double()))
    zeros.sum().backward()

    assert torch.equal(InfoNCE()(batch(G, weight=torch.ones(3, 3))), unweighted)
    assert torch.equal(zeros, masked)
    assert similarity.grad[0, 2] == similarity.grad[1, 0] == 0.0
    assert torch.isfinite(similarity.grad).all()


def test_the_scale_has_a_range():
    with pytest.raises(ConfigError, match="scale"):
        LOSSES.create("info_nce", {"scale": 0.0})


def test_both_directions_apart_and_averaged_have_their_known_value():
    loss = InfoNCE(scale=10.0, directions=("query_to_doc", "doc_to_query"), partition="per_direction")

    assert loss(batch(G)).mean().item() == pytest.approx(0.4621600448, abs=1e-9)


@pytest.mark.parametrize(("k", "expected"), [(1, 0.2426443354), (2, 0.2462794723), (99, 0.2462794723)])
def test_only_the_most_similar_documents_of_other_queries_take_part(k, expected):
    loss = InfoNCE(scale=10.0, in_batch_topk=k)(batch(G))

    assert loss.mean().item() == pytest.approx(expected, abs=1e-9)


def test_the_most_similar_are_counted_without_mined_and_refused_documents():
    similarity = torch.tensor([[0.9, 0.5, 0.8, 0.7], [0.2, 0.9, 0.6, 0.3]], dtype=torch.float64)
    allowed = torch.tensor([[True, True, True, False], [True, True, True, True]])
    terms = torch.exp(20.0 * similarity)
    expected = [terms[0, [0, 1, 2]].sum() / terms[0, 0], terms[1, [1, 2, 3]].sum() / terms[1, 1]]

    loss = InfoNCE(in_batch_topk=1)(batch(similarity, allowed))

    assert torch.allclose(loss, torch.stack(expected).log())


def test_hardness_of_in_batch_negatives_has_its_known_value():
    loss = InfoNCE(scale=20.0, hardness="in_batch", hardness_strength=5.0)

    assert loss(batch(S)).mean().item() == pytest.approx(6.1789890, abs=1e-7)


def test_weights_of_unlabelled_documents_have_their_known_value():
    probability = torch.tensor([[0.0, 0.9, 0.2], [0.2, 0.0, 0.9], [0.1, 0.3, 0.0]], dtype=torch.float64)
    weight = 1.0 - probability * 0.5 / (1.0 - 0.5 * probability)

    loss = InfoNCE(scale=10.0)(batch(G, weight=weight.fill_diagonal_(1.0)))

    assert loss.mean().item() == pytest.approx(0.0821615113, abs=1e-9)


def test_a_refused_document_is_no_negative_in_any_direction():
    every = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
    blocks = [torch.rand(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) for _ in range(3)]
    student = Given(*(block.requires_grad_() for block in blocks))
    allowed = torch.ones(3, 3, dtype=torch.bool)
    allowed[0, 2] = False

    InfoNCE(directions=every)(batch(student.query_document, allowed, student=student)).sum().backward()

    unread = [torch.nonzero(block.grad == 0.0).tolist() for block in blocks]
    assert unread == [[[0, 2]], [[0, 0], [0, 2], [1, 1], [2, 0], [2, 2]], [[0, 0], [0, 2], [1, 1], [2, 2]]]


def test_towards_queries_the_weight_is_that_of_the_document_for_the_other_query():
    weight = torch.ones(3, 3, dtype=torch.float64)
    weight[0, 1] = 0.25
    terms = torch.exp(10.0 * G) * weight
    expected = -torch.log(terms.diagonal() / terms.sum(dim=1)) - torch.log(terms.diagonal() / terms.sum(dim=0))

    loss = InfoNCE(scale=10.0, directions=("query_to_doc", "doc_to_query"), partition="per_direction")

    assert torch.allclose(loss(batch(G, weight=weight)), expected / 2.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"directions": ["doc_to_query"]}, "directions are query_to_doc and any others, each once, not doc_to_query"),
        ({"directions": ["query_to_doc", "query_to_doc"]}, "each once"),
        ({"directions": []}, "not none"),
        ({"directions": ["query_to_doc", "doc_to_doc"], "partition": "per_direction"}, "per_direction needs"),
        ({"hardness_strength": 5.0}, "no effect without hardness"),
        ({"in_batch_topk": 0}, "in_batch_topk must be"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(params, message):
    with pytest.raises(ConfigError, match=message):
        LOSSES.create("info_nce", params)


def test_what_is_not_used_is_no_part_of_a_dump():
    dumped = [
        TypeAdapter(InfoNCE).dump_python(loss, mode="json")
        for loss in (InfoNCE(), InfoNCE(directions=("query_to_doc", "doc_to_doc"), in_batch_topk=4))
    ]

    assert dumped == [
        {"scale": 20.0},
        {"scale": 20.0, "directions": ["query_to_doc", "doc_to_doc"], "in_batch_topk": 4},
    ]
