"""The rankings and negatives that a run leaves beside its record."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from harness import run_tables
from harness.collection import Collection, Judgements
from harness.composition import Composer
from harness.evaluation.rankings import evaluate_split, ranked_split
from harness.pairs import mine
from harness.pipeline import attempt
from harness.record import read_per_query
from harness.run_tables import (
    NEGATIVE_COLUMNS,
    RANKING_COLUMNS,
    MinedNegatives,
    Ranking,
    write_negatives,
    write_rankings,
)
from harness.sources.kept import load_collection
from harness.spec import ArmSpec, Component, MiningSpec, RepairSpec, RunSpec, SuspectSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace

DATASET = Component(name="synthetic", params={"queries": 40, "documents": 240})
OTHER = Component(name="synthetic", params={"queries": 12, "documents": 90, "seed": 5})
TRAINING = TrainingSpec(epochs=1, batch_size=8)


def mining(name: str = "topk", **settings: object) -> MiningSpec:
    miner = Component(name=name, params={"k": 2})
    return MiningSpec(teacher=Component(name="bm25"), miner=miner, depth=20, **settings)


def spec(chosen: MiningSpec | None, *further: Component, training: TrainingSpec | None = TRAINING) -> RunSpec:
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, mining=chosen, training=training)
    return RunSpec(arm=arm, dataset=DATASET, seed=0, identities={}, evaluate=further)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def collection(work) -> Collection:
    return load_collection(DATASET, work.store)


def ranking(split: str, documents: list[list[int]], scores: list[list[float]]) -> Ranking:
    names = tuple(f"q{row}" for row in range(len(documents)))
    table = np.array(documents, dtype=np.int32), np.array(scores, dtype=np.float32)
    return Ranking(split, names, ("a", "b", "c"), *table)


def judged(pairs: list[tuple[int, int]]) -> dict[str, Judgements]:
    return {"test": Judgements.of([(query, document, 1, False) for query, document in pairs])}


def test_rankings_are_written_split_by_split_without_padding(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tables, "_ROWS", 2)  # a part for each query
    test = ranking("test", [[2, 0], [1, -1]], [[0.5, 0.25], [0.125, -np.inf]])
    dev = ranking("dev", [[1, 2]], [[4.0, 4.0]])

    write_rankings(tmp_path / "rankings.parquet", [test, dev])

    found = pd.read_parquet(tmp_path / "rankings.parquet")
    assert tuple(found.columns) == RANKING_COLUMNS
    assert found.to_numpy().tolist() == [
        ["dev", "q0", 1, "b", 4.0],
        ["dev", "q0", 2, "c", 4.0],
        ["test", "q0", 1, "c", 0.5],
        ["test", "q0", 2, "a", 0.25],
        ["test", "q1", 1, "b", 0.125],
    ]
    assert found["score"].dtype == np.float32


def test_negatives_are_written_by_pair_and_place_without_padding(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tables, "_ROWS", 2)
    mined = MinedNegatives(
        query_ids=("p", "q"),
        document_ids=("a", "b", "c"),
        query=np.array([1, 0], dtype=np.int32),
        positive=np.array([2, 0], dtype=np.int32),
        positive_score=np.array([0.5, np.nan], dtype=np.float32),
        document=np.array([[-1, 0], [1, 2]], dtype=np.int32),
        score=np.array([[np.nan, 0.25], [0.75, np.nan]], dtype=np.float32),
        hidden=np.array([[False, True], [False, False]]),
    )

    write_negatives(tmp_path / "negatives.parquet", mined)

    found = pd.read_parquet(tmp_path / "negatives.parquet")
    assert tuple(found.columns) == NEGATIVE_COLUMNS
    ids = found[["query_id", "positive_id", "place", "document_id", "hidden"]].to_numpy().tolist()
    assert ids == [["q", "c", 2, "a", True], ["p", "a", 1, "b", False], ["p", "a", 2, "c", False]]
    assert np.array_equal(found["positive_score"], [0.5, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(found["score"], [0.25, 0.75, np.nan], equal_nan=True)


def test_no_negatives_are_an_empty_table(tmp_path):
    none = np.zeros(0, dtype=np.int32)
    table = none.reshape(0, 2)
    scores = table.astype(np.float32)
    mined = MinedNegatives((), (), none, none, none.astype(np.float32), table, scores, table.astype(np.bool_))

    write_negatives(tmp_path / "negatives.parquet", mined)

    found = pd.read_parquet(tmp_path / "negatives.parquet")
    assert len(found) == 0
    assert tuple(found.columns) == NEGATIVE_COLUMNS


def test_a_ranking_is_that_of_the_evaluation_with_ties_by_descending_id():
    rng = np.random.default_rng(0)
    rows = judged([(0, 3), (1, 0), (1, 5)])
    names = tuple(f"d{index}" for index in rng.permutation(130))
    toy = Collection("toy", names, tuple(map(str, range(130))), ("q10", "q9"), ("x", "y"), rows)
    queries = np.array([[1, 0], [0, 1]], dtype=np.float32)
    documents = rng.integers(0, 3, (130, 2)).astype(np.float32)

    frame, found = ranked_split(toy, "test", queries, documents)

    expected = [
        sorted(range(130), key=lambda index: (documents[index, query], names[index]), reverse=True)[:100]
        for query in (0, 1)
    ]
    assert found.query_ids == tuple(frame["query_id"]) == ("q10", "q9")
    assert found.document.tolist() == expected
    assert found.score.tolist() == [documents[order, query].tolist() for query, order in enumerate(expected)]
    assert frame.equals(evaluate_split(toy, "test", queries, documents))


def test_a_ranking_names_the_queries_in_the_order_of_their_metrics():
    rows = judged([(0, 0), (1, 1), (2, 2)])
    toy = Collection("toy", ("a", "b", "c"), ("1", "2", "3"), ("q3", "q1", "q2"), ("x", "y", "z"), rows)

    queries, documents = np.diag([1.0, 2.0, 3.0]).astype(np.float32), np.eye(3, dtype=np.float32)

    frame, found = ranked_split(toy, "test", queries, documents)

    assert found.query_ids == tuple(frame["query_id"]) == ("q1", "q2", "q3")
    assert found.document[:, 0].tolist() == [1, 2, 0]
    assert found.score[:, 0].tolist() == [2.0, 3.0, 1.0]


def test_the_rankings_of_a_run_give_its_metrics_on_every_set(work, tmp_path):
    record = attempt(spec(None, OTHER), work, tmp_path)

    folder = tmp_path / record.fingerprint
    ranked, measured = pd.read_parquet(folder / "rankings.parquet"), read_per_query(folder)
    relevant = {
        (split + label, each.query_ids[query], each.document_ids[document])
        for dataset, label in ((DATASET, ""), (OTHER, "@synthetic"))
        for each in (load_collection(dataset, work.store),)
        for split in ("dev", "test")
        for rows in (each.split(split),)
        for query, document in zip(rows.query[rows.grade > 0], rows.document[rows.grade > 0], strict=True)
    }
    keys = zip(ranked["split"], ranked["query_id"], ranked["document_id"], strict=True)
    ranked["hit"] = [key in relevant for key in keys]
    ranked["mrr"] = ranked["hit"] / ranked["rank"] * (ranked["rank"] <= 10)
    queries = ranked.groupby(["split", "query_id"])
    expected = measured.set_index(["split", "query_id"]).sort_index()
    assert expected.index.equals(queries["mrr"].max().index)
    assert np.allclose(expected["mrr_at_10"], queries["mrr"].max())
    assert np.allclose(expected["recall_at_100"] * expected["relevant"], queries["hit"].sum())
    assert set(queries.size().loc[["dev", "test"]]) == {100}
    assert set(queries.size().loc[["dev@synthetic", "test@synthetic"]]) == {90}


@pytest.mark.parametrize("miner", ["random", "topk"])
def test_the_negatives_of_a_run_are_those_that_it_trains_on(work, collection, tmp_path, miner):
    chosen = spec(mining(miner))
    record = attempt(chosen, work, tmp_path)

    found = pd.read_parquet(tmp_path / record.fingerprint / "negatives.parquet")
    mined = mine(chosen, collection, work)
    flat = [
        (collection.query_ids[query], collection.document_ids[positive], place + 1, collection.document_ids[document])
        for query, positive, line in zip(mined.query, mined.positive, mined.negative, strict=True)
        for place, document in enumerate(line)
    ]
    columns = [found[name] for name in ("query_id", "positive_id", "place", "document_id")]
    assert list(zip(*columns, strict=True)) == flat
    assert found["hidden"].sum() == record.audit.hidden
    assert (record.audit.hidden > 0) == (miner == "topk")
    assert (found["score"] - found["positive_score"]).mean() == pytest.approx(record.audit.hardness, rel=1e-5)


def test_a_redrawing_arm_records_the_negatives_of_its_first_epoch(work, collection):
    training = TRAINING.model_copy(update={"epochs": 3})
    once, redrawn = (
        mine(spec(mining("random", redraw=redraw), training=training), collection, work) for redraw in (False, True)
    )

    assert redrawn.negative.shape[0] == 3
    assert redrawn.table.document.tolist() == once.table.document.tolist() == once.negative.tolist()
    assert redrawn.table.score.tolist() == once.table.score.tolist()


def test_a_relabelled_pair_stands_with_its_own_score_and_its_rows_negatives(work, collection):
    relabelling = mining(repair=RepairSpec(action="relabel_positive", suspect=SuspectSpec(share=0.5)))

    mined = mine(spec(relabelling), collection, work)

    table, labelled = mined.table, mined.yields.trained
    teacher = Composer(relabelling, collection, work)
    assert mined.yields.relabelled > 0
    assert len(table.query) == labelled + mined.yields.relabelled
    assert table.positive.tolist() == mined.positive.tolist()
    assert table.positive_score.tolist() == teacher.scores(mined.query, mined.positive).tolist()
    assert len(set(table.positive_score[labelled:].tolist())) > 1
    assert table.document.tolist() == mined.negative.tolist()


def test_a_run_that_mines_nothing_leaves_no_negatives(work, tmp_path):
    record = attempt(spec(None, training=None), work, tmp_path)

    assert sorted(path.name for path in (tmp_path / record.fingerprint).iterdir()) == [
        "SHA256SUMS",
        "per_query.parquet",
        "rankings.parquet",
        "record.json",
    ]


def test_ids_are_kept_as_a_dictionary_and_scores_are_not(tmp_path):
    write_rankings(tmp_path / "rankings.parquet", [ranking("test", [[2, 0]], [[0.5, 0.25]])])

    chunks = pq.ParquetFile(tmp_path / "rankings.parquet").metadata.row_group(0)
    document, score = (chunks.column(RANKING_COLUMNS.index(name)) for name in ("document_id", "score"))
    assert document.compression == score.compression == "ZSTD"
    assert (document.has_dictionary_page, score.has_dictionary_page) == (True, False)
