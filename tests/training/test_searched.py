"""ADORE: queries against what they find in an index that stands still."""

import numpy as np
import pytest
import torch

from harness import pipeline
from harness.collection import Collection
from harness.errors import ConfigError, NumericError
from harness.evaluation.model import evaluate
from harness.losses.info_nce import InfoNCE
from harness.pairs import mine
from harness.pipeline import _training_data, run
from harness.registry import BASES
from harness.sources.kept import load_collection
from harness.store import Store
from harness.teachers.base import Workspace
from harness.teachers.dense import encode
from harness.training import searched
from harness.training.bases import Static
from harness.training.course import begin
from harness.training.data import TrainingData
from harness.training.searched import OwnRows, Searched
from harness.training.trainer import train
from tests.training.refreshed import DATASET, STEPS, part, run_spec

SPEC = run_spec(part("adore", depth=20))
QUERIES = ["sort rows", "sort columns", "find keys", "drop keys"]
DOCUMENTS = [f"{verb} the {noun} quickly" for verb in ("sorts", "finds", "drops") for noun in ("rows", "columns", "it")]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def collection(work) -> Collection:
    return load_collection(DATASET, work.store)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def data(known: list[tuple[int, int]] = ()) -> TrainingData:
    index = np.arange(4, dtype=np.int32)
    pairs = np.array([*known, *zip(index, index, strict=True)], dtype=np.int32).T
    return TrainingData(QUERIES, DOCUMENTS, index, index, np.empty((4, 0), dtype=np.int32), known=pairs)


def static() -> torch.nn.Module:
    return Static().load(max_length=16, texts=[*QUERIES, *DOCUMENTS])


def test_every_step_s_negatives_are_the_exact_top_of_the_current_queries_less_known_positives():
    index, query, pairs = unit(9, 8), unit(3, 8, seed=1), np.array([2, 0, 3], dtype=np.int32)
    given = data([(2, 7), (0, 5)])
    module = Searched(torch.nn.Identity(), InfoNCE(), given, index.numpy(), depth=6)

    batch = module.batch(query, pairs)

    cosine = query @ index.T
    known = {(2, 7), (0, 5), *((row, row) for row in range(4))}
    assert batch.similarity.shape == (3, 7)
    assert batch.target.tolist() == [0, 0, 0]
    assert batch.own.tolist() == [[1, 2, 3, 4, 5, 6]] * 3
    for row, pair in enumerate(pairs.tolist()):
        best = cosine[row].argsort(descending=True)[:6].tolist()
        allowed = [True, *((pair, document) not in known for document in best)]
        assert torch.allclose(batch.similarity[row], cosine[row][[pair, *best]], atol=1e-6)
        assert batch.allowed[row].tolist() == allowed


def test_the_positive_is_no_negative_of_its_own_even_if_nothing_is_known():
    given = TrainingData(QUERIES, DOCUMENTS, *(np.arange(4, dtype=np.int32),) * 2, np.empty((4, 0), dtype=np.int32))
    index = unit(9, 8)
    module = Searched(torch.nn.Identity(), InfoNCE(), given, index.numpy(), depth=9)

    batch = module.batch(index[:4].clone(), np.arange(4, dtype=np.int32))

    assert batch.allowed.sum(dim=1).tolist() == [9] * 4
    assert batch.allowed[:, 0].all()
    assert not batch.allowed[:, 1].any()


@pytest.mark.parametrize("block", [1, 2, 4, 9])
def test_the_search_does_not_depend_on_how_the_index_is_cut(block, monkeypatch):
    index, query = unit(9, 8), unit(5, 8, seed=1)
    module = Searched(torch.nn.Identity(), InfoNCE(), data(), index.numpy(), depth=5)
    monkeypatch.setattr(searched, "_BLOCK", block)

    found = module.nearest(query)

    assert found.tolist() == (query @ index.T).argsort(dim=1, descending=True)[:, :5].tolist()


def test_an_index_smaller_than_the_depth_is_taken_whole():
    module = Searched(torch.nn.Identity(), InfoNCE(), data(), unit(9, 8).numpy(), depth=200)

    batch = module.batch(unit(2, 8, seed=1), np.array([0, 1], dtype=np.int32))

    assert batch.similarity.shape == (2, 10)
    assert batch.allowed.sum(dim=1).tolist() == [9, 9]


def test_the_gradient_goes_through_the_queries_alone():
    index, query = unit(9, 8), unit(2, 8, seed=1).requires_grad_()
    module = Searched(torch.nn.Identity(), InfoNCE(scale=10.0), data(), index.numpy(), depth=9)

    InfoNCE(scale=10.0)(module.batch(query, np.array([0, 1], dtype=np.int32))).sum().backward()

    logits = 10.0 * query.detach() @ index.T
    logits[0, 0], logits[1, 1] = 10.0 * query[0].detach() @ index[0], 10.0 * query[1].detach() @ index[1]
    expected = 10.0 * (logits.softmax(dim=1) @ index - index[:2])
    assert torch.allclose(query.grad, expected, atol=1e-5)
    assert not module.get_buffer("index").requires_grad


def test_weights_that_only_documents_use_change_nothing_and_are_not_changed():
    histories, weights, changed = [], [], None
    for shift in (0.0, 5.0):
        model = static()
        module = model[0]
        asked = {int(token) for text in QUERIES for token in module._of(text)}
        documents_alone = torch.tensor([token not in asked for token in range(module.num_embeddings)])
        table = next(model.parameters())
        index = encode(static(), DOCUMENTS)
        with torch.no_grad():
            table[documents_alone] += shift
        before = table.detach().clone()
        contrast = Searched(model, InfoNCE(), data(), index, depth=9)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.0)
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            loss = contrast([model.preprocess(QUERIES)], torch.arange(4)[:, None])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        histories.append(losses)
        weights.append(table.detach()[~documents_alone])
        changed = (table.detach() != before).any(dim=1)
        assert not changed[documents_alone].any()

    assert changed.any()
    assert histories[0] == histories[1]
    assert histories[0][-1] < histories[0][0]
    assert torch.equal(*weights)


def test_the_negatives_change_after_an_update():
    model = static()
    index = encode(model, DOCUMENTS)
    module = Searched(model, InfoNCE(), data(), index, depth=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    column, labels = model.preprocess(QUERIES), torch.arange(4)[:, None]

    for _ in range(3):
        optimizer.zero_grad()
        module([column], labels).backward()
        optimizer.step()

    found = module.record(3)
    assert found.step == (0, 1, 2)
    assert found.first_used == (1, 2, 3)
    assert found.changed[0] is None
    assert sum(found.replaced) > 0
    assert (found.staleness_mean, found.staleness_max) == (0.0, 0)


def test_what_a_query_finds_is_compared_with_what_it_found_last():
    index = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 2][:8]
    module = Searched(torch.nn.Identity(), InfoNCE(), data(), index, depth=2)
    first, second = torch.eye(4)[[0, 1]], torch.eye(4)[[2, 1]]

    for pairs, query in (([0, 1], first), ([2, 3], first), ([0, 1], second)):
        module.batch(query, np.array(pairs, dtype=np.int32))

    found = module.record(3)
    assert (found.changed, found.replaced) == ((None, None, 0.5), (0, 0, 2))


def test_a_loss_is_no_number_is_told():
    model = static()
    module = Searched(model, InfoNCE(), data(), encode(model, DOCUMENTS), depth=3)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))

    with pytest.raises(NumericError, match="training loss is nan"):
        module([model.preprocess(QUERIES)], torch.arange(4)[:, None])


@pytest.mark.parametrize("flag", [{"guidance": "blocks"}, {"guidance": "scores"}, {"row_wise": False}])
def test_losses_that_read_more_than_queries_against_documents_are_refused(flag):
    loss = type("Other", (InfoNCE,), flag)()

    with pytest.raises(ConfigError, match="reads more than queries against documents"):
        Searched(torch.nn.Identity(), loss, data(), unit(9, 8).numpy(), depth=3)


@pytest.mark.parametrize("block", ["query_query", "positive_document"])
def test_the_other_blocks_are_refused(block):
    with pytest.raises(ConfigError, match="found for each query"):
        getattr(OwnRows(torch.zeros(2, 3)), block)


def test_evaluation_searches_the_index_that_was_trained_on(work, collection, monkeypatch):
    models = []
    load = Static.load

    def kept(self, **given):
        models.append(load(self, **given))
        return models[-1]

    monkeypatch.setattr(Static, "load", kept)
    record, per_query, *_ = run(SPEC, work)

    trained, base = models
    untrained = load(Static(), max_length=32, texts=(*collection.document_texts, *collection.query_texts))
    assert not torch.equal(*(next(model.parameters()) for model in (trained, untrained)))
    assert torch.equal(*(next(model.parameters()) for model in (base, untrained)))
    assert per_query.equals(evaluate(trained, collection, document_model=untrained))
    assert not per_query.equals(evaluate(trained, collection))
    assert record.refresh.step == tuple(range(STEPS))


def test_the_index_holds_every_document_in_its_place_by_the_base():
    model = static()

    course = begin(model, data(), SPEC.arm.training, InfoNCE())

    assert np.array_equal(course.module.get_buffer("index").numpy(), encode(static(), DOCUMENTS))
    assert course.module.nearest(torch.from_numpy(encode(model, DOCUMENTS)))[:, 0].tolist() == list(range(9))


def test_only_queries_are_embedded_during_training(work, collection, monkeypatch):
    seen = []
    preprocess = Static().load(max_length=32, texts=["a"])[0].__class__.preprocess

    def watched(self, inputs, **given):
        seen.extend(inputs)
        return preprocess(self, inputs, **given)

    texts = (*collection.document_texts, *collection.query_texts)
    model = BASES.create("static", {}).load(max_length=32, texts=texts)
    given = _training_data(SPEC, collection, mine(SPEC, collection, work), work)
    monkeypatch.setattr(searched.Searched, "__init__", _then_watch(searched.Searched.__init__, monkeypatch, watched))
    train(model, given, SPEC.arm.training, InfoNCE(), 0)

    assert set(seen) == {collection.query_texts[query] for query in given.query}


def _then_watch(begin, monkeypatch, watched):
    """Begin to watch when the index is there."""

    def init(self, model, *rest):
        begin(self, model, *rest)
        monkeypatch.setattr(type(model[0]), "preprocess", watched)

    return init


def test_labelled_positives_and_their_twins_are_known_without_being_asked_for(work, collection):
    given = _training_data(SPEC, collection, mine(SPEC, collection, work), work)
    rows = collection.split("train")

    assert not SPEC.arm.training.mask_known_positives
    for query, positive in zip(given.query, given.positive, strict=True):
        concealed = rows.document[(rows.query == query) & rows.concealed]
        assert given.is_known(query[None], positive[None]).all()
        assert not given.is_known(query[None], concealed).any()


def test_a_run_with_mined_negatives_knows_no_positives_unless_asked(work, collection):
    spec = run_spec(part("ance", every=3), part("topk", k=2))

    assert _training_data(spec, collection, mine(spec, collection, work), work).known is None
    assert not pipeline.freezes_documents(spec.arm)
