"""The same rankings, judged by mteb and by beir."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.collection import Collection
from harness.evaluation.beir_door import evaluate_by_beir
from harness.evaluation.metrics import per_query_metrics
from harness.evaluation.model import evaluate
from harness.evaluation.mteb_door import collection_task, evaluate_by_mteb
from harness.evaluation.own_document import own_documents
from harness.evaluation.rankings import evaluate_split
from harness.sources.beir_folder import BeirFolder
from harness.sources.synthetic import Synthetic
from harness.teachers.dense import encode, load_encoder
from harness.teachers.minilm import minilm_folder
from harness.training.bases import Static


@pytest.fixture(scope="module")
def collection() -> Collection:
    return Synthetic(queries=60, documents=400).load()


@pytest.fixture(scope="module")
def model():
    return load_encoder(str(minilm_folder()), max_length=64)


def qrels_of(collection: Collection) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    rows = collection.split("test")
    for query, document, grade in zip(rows.query, rows.document, rows.grade, strict=True):
        qrels.setdefault(collection.query_ids[query], {})[collection.document_ids[document]] = int(grade)
    return qrels


def test_means_equal_those_of_mteb(collection, model, tmp_path):
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002  # mteb reseeds them all
    mteb = pytest.importorskip("mteb")
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    qrels = qrels_of(collection)

    class Local(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="LocalRetrieval",
            dataset={"path": "local/none", "revision": collection.digest},
            description="a made-up collection",
            reference=None,
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )

        def load_data(self, num_proc=None, **settings):
            corpus = {"id": list(collection.document_ids), "text": list(collection.document_texts)}
            corpus["title"] = [""] * len(collection.document_ids)
            queries = [index for index, name in enumerate(collection.query_ids) if name in qrels]
            texts = {
                "id": [collection.query_ids[i] for i in queries],
                "text": [collection.query_texts[i] for i in queries],
            }
            data = {"corpus": Dataset.from_dict(corpus), "queries": Dataset.from_dict(texts)}
            self.dataset = {"default": {"test": {**data, "relevant_docs": qrels, "top_ranked": None}}}
            self.data_loaded = True

    ours = evaluate(model, collection).query("split == 'test'")
    result = mteb.evaluate(
        model,
        Local(),
        cache=None,
        prediction_folder=tmp_path,
        encode_kwargs={"batch_size": 64},
        show_progress_bar=False,
    )
    theirs = result.task_results[0].scores["test"][0]
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002  # put back
    torch.set_rng_state(states[2])

    assert ours["ndcg_at_10"].mean() == pytest.approx(theirs["ndcg_at_10"], abs=1e-5)
    assert ours["recall_at_100"].mean() == pytest.approx(theirs["recall_at_100"], abs=1e-5)
    assert ours["mrr_at_10"].mean() == pytest.approx(theirs["mrr_at_10"], abs=1e-5)
    assert 0.1 < ours["ndcg_at_10"].mean() < 0.999


def test_means_equal_those_of_beir(collection, model):
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    class Encoder:
        def encode_queries(self, queries, **settings):
            return encode(model, queries)

        def encode_corpus(self, corpus, **settings):
            return encode(model, [document["text"] for document in corpus])

    qrels = qrels_of(collection)
    corpus = dict(
        zip(collection.document_ids, ({"title": "", "text": text} for text in collection.document_texts), strict=True)
    )
    texts = dict(zip(collection.query_ids, collection.query_texts, strict=True))
    search = EvaluateRetrieval(DenseRetrievalExactSearch(Encoder(), batch_size=64), score_function="cos_sim")

    found = search.retrieve(corpus, {query: texts[query] for query in qrels})
    ndcg, _, recall, _ = search.evaluate(qrels, found, [10, 100])
    mrr = search.evaluate_custom(qrels, found, [10], metric="mrr")
    ours = per_query_metrics(qrels, found)

    assert ours["ndcg_at_10"].mean() == pytest.approx(ndcg["NDCG@10"], abs=1e-5)
    assert ours["recall_at_100"].mean() == pytest.approx(recall["Recall@100"], abs=1e-5)
    assert ours["mrr_at_10"].mean() == pytest.approx(mrr["MRR@10"], abs=1e-5)
    rows = collection.split("test")
    vectors = encode(model, [collection.query_texts[query] for query in rows.queries])
    own = evaluate_split(collection, "test", vectors, encode(model, collection.document_texts))
    assert own["ndcg_at_10"].mean() == pytest.approx(ndcg["NDCG@10"], abs=1e-5)


@pytest.mark.shared_data
@pytest.mark.skipif("WINNOW_DATA" not in os.environ, reason="WINNOW_DATA is not set")
@pytest.mark.parametrize("name", ["cranfield", "nfcorpus", "stackfaq"])
def test_real_collections_have_the_means_that_mteb_and_beir_give_them(name):
    empty = "keep" if name == "nfcorpus" else "error"
    collection = BeirFolder(path=str(Path(os.environ["WINNOW_DATA"]) / name), empty_text=empty).load()
    base = Static().load(max_length=128, texts=(*collection.document_texts, *collection.query_texts))
    means = ["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100"]

    ours = evaluate(base, collection, "auto", ("test",))[means].mean().to_dict()

    assert evaluate_by_mteb(base, lambda: collection_task(collection, "test"))[0].scores == pytest.approx(
        ours, abs=1e-5
    )
    by_beir = evaluate_by_beir(base, collection, "test")
    if name == "nfcorpus":  # equal texts tie there, and beir's MRR takes ties as they come
        del by_beir["mrr_at_10"], ours["mrr_at_10"]
    assert by_beir == pytest.approx(ours, abs=1e-5)


@pytest.mark.shared_data
@pytest.mark.skipif("WINNOW_DATA" not in os.environ, reason="WINNOW_DATA is not set")
def test_cranfield_numbers_its_queries_like_its_documents_by_accident():
    collection = BeirFolder(path=str(Path(os.environ["WINNOW_DATA"]) / "cranfield")).load()

    dropped = [int((own_documents(collection, "test", drop) != -1).sum()) for drop in ("auto", "always")]

    assert dropped == [0, 225]
