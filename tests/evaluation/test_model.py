"""A run's own dataset and further ones."""

import numpy as np
import pytest

from harness.collection import Collection, Judgements
from harness.errors import DataError, NumericError
from harness.evaluation.model import evaluate, evaluate_run, texts_of
from harness.pipeline import run
from harness.record import METRICS, PER_QUERY_COLUMNS
from harness.sources.kept import load_collection
from harness.spec import ArmSpec, Component, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.bases import Static

OWN = Component(name="synthetic", params={"queries": 40, "documents": 240})
OTHER = Component(name="synthetic", params={"queries": 30, "documents": 200, "seed": 5})


def spec(*further: Component, training: TrainingSpec | None = None, drop_own: str = "auto") -> RunSpec:
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, training=training)
    return RunSpec(arm=arm, dataset=OWN, seed=0, identities={}, evaluate=further, drop_own=drop_own)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


def test_a_further_set_is_measured_as_if_it_were_the_runs_own(work):
    alone = run(spec().model_copy(update={"dataset": OTHER}), work)[1]

    record, rows, *_ = run(spec(OTHER), work)

    there = rows[rows["split"].isin(["dev@synthetic", "test@synthetic"])].reset_index(drop=True)
    assert tuple(rows.columns) == PER_QUERY_COLUMNS
    assert there.drop(columns="split").equals(alone.drop(columns="split"))
    assert there["split"].tolist() == [f"{split}@synthetic" for split in alone["split"]]
    assert set(record.metrics) == set(record.evaluated) == {"dev", "test", "dev@synthetic", "test@synthetic"}
    assert set(record.metrics["test@synthetic"]) == set(METRICS)


def test_a_further_set_changes_nothing_on_the_runs_own(work):
    training = TrainingSpec(epochs=1, batch_size=8)

    alone, with_other = (run(spec(*further, training=training), work) for further in ((), (OTHER,)))

    assert alone[0].losses == with_other[0].losses
    assert alone[1].equals(with_other[1][: len(alone[1])])


def test_what_each_split_was_measured_on_is_recorded(work):
    record, *_ = run(spec(OTHER), work)

    digests = [load_collection(dataset, work.store).digest for dataset in (OWN, OTHER)]
    assert [record.evaluated[split].digest for split in ("test", "test@synthetic")] == digests
    assert record.evaluated["dev"].own_dropped == 0


def test_dropping_own_documents_is_obeyed_and_counted_on_every_set(work, monkeypatch):
    rows = {"test": Judgements.of([(0, 1, 1, False)])}
    texts = ("a wing", "lift of a wing")
    collection = Collection("toy", ("1", "2"), texts, ("1",), ("wing flow",), rows)
    monkeypatch.setattr("harness.evaluation.model.load_collection", lambda dataset, store: collection)
    model = Static().load(max_length=32, texts=(*texts, "wing flow"))

    kept, dropped = (
        evaluate_run(model, spec(OTHER, drop_own=drop), collection, work.store) for drop in ("auto", "always")
    )

    assert [each.own_dropped for each in kept.splits.values()] == [0, 0]
    assert [each.own_dropped for each in dropped.splits.values()] == [1, 1]
    assert kept.per_query["mrr_at_10"].tolist() == [0.5, 0.5]
    assert dropped.per_query["mrr_at_10"].tolist() == [1.0, 1.0]


def test_a_base_is_told_the_texts_of_every_set(work):
    loaded = [load_collection(dataset, work.store) for dataset in (OWN, OTHER)]

    texts = list(texts_of([OWN, OTHER], work.store))

    assert texts == [text for each in loaded for text in (*each.document_texts, *each.query_texts)]


def test_a_collection_without_queries_to_evaluate_is_an_error(work):
    empty = Collection("bare", ("d",), ("x",), ("q",), ("y",))

    with pytest.raises(DataError, match="bare has no dev or test queries to evaluate"):
        evaluate(Static().load(max_length=32, texts=["x", "y"]), empty)


def test_an_embedding_that_is_not_finite_is_no_score_on_any_set(work):
    own, other = (load_collection(dataset, work.store) for dataset in (OWN, OTHER))
    model = Static().load(max_length=32, texts=texts_of([OWN, OTHER], work.store))
    new = min({*other.document_texts} - {*own.document_texts})
    token = model[0]._ids[new][-1]
    model[0].embedding.weight.data[token] = np.nan

    with pytest.raises(NumericError, match="NaN or infinity for the text"):
        evaluate_run(model, spec(OTHER), own, work.store)
