"""mteb by the door: what it must not do to its surroundings."""

import random

import numpy as np
import pytest
import torch

from harness.collection import Collection, Judgements
from harness.errors import DataError, NumericError
from harness.evaluation.beir_door import evaluate_by_beir
from harness.evaluation.model import evaluate
from harness.evaluation.mteb_door import collection_task, evaluate_by_mteb, model_digest
from harness.sources.synthetic import Synthetic
from harness.teachers.dense import load_encoder
from harness.teachers.minilm import minilm_folder
from harness.training.bases import Static

pytest.importorskip("mteb")
MEANS = ["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100"]


@pytest.fixture(scope="module")
def collection() -> Collection:
    return Synthetic(queries=60, documents=400).load()


def static(collection: Collection, noise: float = 0.0):
    model = Static().load(max_length=64, texts=(*collection.document_texts, *collection.query_texts))
    with torch.no_grad():
        weight = next(model.parameters())
        weight += noise * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    return model


def own_means(model, collection: Collection, drop_own: str = "auto") -> dict[str, float]:
    frame = evaluate(model, collection, drop_own, ("test",))
    return {name: float(frame[name].mean()) for name in MEANS}


def with_ties(collection: Collection) -> Collection:
    """Return the collection with every document three times, under ids before and behind its own."""
    ids = [prefix + name for prefix in ("a", "", "z") for name in collection.document_ids]
    return Collection(
        "ties",
        tuple(ids),
        collection.document_texts * 3,
        collection.query_ids,
        collection.query_texts,
        collection.splits,
    )


def own_documents() -> Collection:
    """Return queries that are documents: one by design, one by accident, and one that shares no id."""
    texts = ("a plane wing", "the flow of heat", "lift of a plane wing", "heat in a pipe", "a plane")
    queries = ("a plane wing", "lift of a wing", "heat flow")
    rows = Judgements.of([(0, 2, 1, False), (1, 2, 2, False), (1, 4, 1, False), (2, 3, 1, False), (2, 1, 0, False)])
    return Collection("own", ("1", "2", "3", "4", "5"), texts, ("1", "3", "x"), queries, {"test": rows})


def test_mteb_and_beir_give_our_means(collection):
    model = static(collection)

    ours = own_means(model, collection)

    assert evaluate_by_mteb(model, lambda: collection_task(collection, "test"))[0].scores == pytest.approx(
        ours, abs=1e-5
    )
    assert evaluate_by_beir(model, collection, "test") == pytest.approx(ours, abs=1e-5)
    assert 0.1 < ours["ndcg_at_10"] < 0.999


def test_mteb_gives_our_means_where_scores_tie_and_beir_all_but_mrr(collection):
    tied = with_ties(collection)
    model = static(tied)

    ours = own_means(model, tied)
    theirs = evaluate_by_beir(model, tied, "test")

    assert evaluate_by_mteb(model, lambda: collection_task(tied, "test"))[0].scores == pytest.approx(ours, abs=1e-5)
    del ours["mrr_at_10"], theirs["mrr_at_10"]
    assert theirs == pytest.approx(ours, abs=1e-5)


@pytest.mark.parametrize("drop_own", ["auto", "always", "never"])
def test_all_drop_the_same_own_documents(drop_own):
    toy = own_documents()
    model = static(toy)

    ours = own_means(model, toy, drop_own)

    by_mteb = evaluate_by_mteb(model, lambda: collection_task(toy, "test", drop_own))[0].scores
    assert by_mteb == pytest.approx(ours, abs=1e-5)
    assert evaluate_by_beir(model, toy, "test", drop_own) == pytest.approx(ours, abs=1e-5)


def test_dropping_makes_a_difference_there():
    toy = own_documents()
    model = static(toy)

    assert len({own_means(model, toy, drop_own)["map_at_100"] for drop_own in ("auto", "always", "never")}) == 3


def test_a_single_query_can_be_asked_of_beir(collection):
    rows = collection.split("test")
    only = rows.query == rows.query[0]
    judged = Judgements(rows.query[only], rows.document[only], rows.grade[only], rows.hidden[only])
    texts = (collection.document_ids, collection.document_texts, collection.query_ids, collection.query_texts)
    single = Collection("single", *texts, {"test": judged})
    model = static(collection)

    assert evaluate_by_beir(model, single, "test") == pytest.approx(own_means(model, single), abs=1e-5)


def test_evaluating_by_mteb_leaves_the_generators_as_they_were(collection):
    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    random.seed(7)  # not 42, which mteb would set
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = state()

    evaluate_by_mteb(static(collection), lambda: collection_task(collection, "test"))

    assert state() == before


def test_an_embedding_that_is_not_finite_is_an_error_that_names_the_text(collection):
    model = static(collection)
    text = collection.document_texts[7]
    plain = type(model[0]).forward

    class Poisoned(type(model[0])):
        def preprocess(self, inputs, prompt=None, **settings):
            self.bad = [place for place, each in enumerate(inputs) if each == text]
            return super().preprocess(inputs, prompt, **settings)

        def forward(self, features, **settings):
            out = plain(self, features, **settings)
            out["sentence_embedding"][self.bad] = float("nan")
            return out

    model[0].__class__ = Poisoned

    for evaluated in (
        lambda: evaluate_by_mteb(model, lambda: collection_task(collection, "test")),
        lambda: evaluate_by_beir(model, collection, "test"),
        lambda: evaluate(model, collection),
    ):
        with pytest.raises(NumericError) as caught, torch.no_grad():
            evaluated()
        assert text[:60] in str(caught.value)


def test_two_models_never_share_a_score_of_one_cache(collection, tmp_path):
    first, second = static(collection), static(collection, noise=2.0)

    def kept(model):
        return evaluate_by_mteb(model, lambda: collection_task(collection, "test"), cache=tmp_path)[0].scores

    found = [kept(model) for model in (first, second, first)]

    assert found[0] == found[2] != found[1]
    assert found[1] == pytest.approx(own_means(second, collection), abs=1e-5)


def test_a_score_of_the_same_model_and_data_is_found_again_and_of_other_data_is_not(collection, tmp_path, monkeypatch):
    model = static(collection)
    tied = with_ties(collection)
    first = evaluate_by_mteb(model, lambda: collection_task(collection, "test"), cache=tmp_path)
    other = evaluate_by_mteb(model, lambda: collection_task(tied, "test"), cache=tmp_path)
    monkeypatch.setattr("harness.evaluation.mteb_door.encode", lambda *_, **__: pytest.fail("encoded again"))

    again = evaluate_by_mteb(model, lambda: collection_task(collection, "test"), cache=tmp_path)

    assert again == first
    assert other[0].scores != first[0].scores
    assert other[0].revision != first[0].revision


def test_a_model_is_named_by_its_weights_and_its_length(collection):
    usual = load_encoder(str(minilm_folder()), max_length=64)
    again = load_encoder(str(minilm_folder()), max_length=64)
    short = load_encoder(str(minilm_folder()), max_length=32)

    assert model_digest(usual) == model_digest(again) != model_digest(short)
    assert model_digest(static(collection)) != model_digest(static(collection, noise=1e-3))


def test_queries_without_a_relevant_document_cannot_be_asked():
    rows = {"test": Judgements.of([(0, 0, 0, False)])}
    bare = Collection("bare", ("d",), ("x",), ("q",), ("y",), rows)

    with pytest.raises(DataError, match="bare has no test query with a relevant document"):
        collection_task(bare, "test")
