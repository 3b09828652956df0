import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.collection import Collection, Judgements, normalised
from harness.errors import ConfigError, DataError
from harness.evaluation import resampling
from harness.evaluation.resampling import ReSTrain, ReSTTest, buckets, fitted
from harness.registry import DATASETS
from harness.sources.synthetic import Synthetic

SYNTHETIC = {"name": "synthetic", "queries": 100, "documents": 600, "topics": 7}


def folds(dataset=SYNTHETIC, count=5, **params) -> list[Collection]:
    made = [
        DATASETS.create("resttest", {"dataset": dataset, "fold": fold + 1, "folds": count, **params})
        for fold in range(count)
    ]
    return [each.load() for each in made]


def side(name: str, dataset=SYNTHETIC, **params) -> Collection:
    return DATASETS.create("restrain", {"dataset": dataset, "side": name, **params}).load()


def ids(collection: Collection, split: str) -> set[str]:
    return {collection.query_ids[query] for query in collection.split(split).queries}


def pairs(collection: Collection) -> int:
    return int(collection.split("train").labelled.sum())


def nearest_train(collection: Collection, split: str) -> np.ndarray:
    vectors = resampling._embedded(collection, "static")
    train = vectors[collection.split("train").queries]
    return (vectors[collection.split(split).queries] @ train.T).max(axis=1)


@pytest.fixture(scope="module")
def synthetic() -> list[Collection]:
    return folds()


def test_every_test_query_extrapolates_once_and_interpolates_in_every_other_fold(synthetic) -> None:
    whole = Synthetic(queries=100, documents=600, topics=7).load()

    held_out = [query for fold in synthetic for query in sorted(ids(fold, "extrapolation"))]
    assert sorted(held_out) == sorted(ids(whole, "test"))
    for fold in synthetic:
        assert ids(fold, "test") == ids(whole, "test")
        assert ids(fold, "interpolation") == ids(whole, "test") - ids(fold, "extrapolation")


def test_what_is_held_out_is_on_neither_side_by_id_or_text(synthetic) -> None:
    twins = {"name": "synthetic", "queries": 300, "documents": 1000, "topics": 1, "positives": 1}

    for fold in [*synthetic, *folds(twins, 3)]:
        texts = dict(zip(fold.query_ids, map(normalised, fold.query_texts), strict=True))
        seen = ids(fold, "train") | ids(fold, "dev")
        assert not seen & ids(fold, "extrapolation")
        assert not {texts[query] for query in seen} & {texts[query] for query in ids(fold, "extrapolation")}
        assert len(fold.split("extrapolation").queries) > 0


def test_every_fold_trains_on_as_many_pairs(synthetic) -> None:
    unequal = folds(count=3)

    assert len({pairs(fold) for fold in synthetic}) == len({pairs(fold) for fold in unequal}) == 1
    assert 0 < pairs(synthetic[0]) < 60
    assert all(
        ids(fold, "train") <= ids(Synthetic(queries=100, documents=600, topics=7).load(), "train") for fold in synthetic
    )


def test_the_same_parameters_give_the_same_division_and_another_seed_another() -> None:
    first, again, other = (folds(seed=seed)[0].digest for seed in (0, 0, 1))

    assert first == again != other


def distance(collections: list[Collection]) -> float:
    """Return how much nearer to training interpolating queries are than extrapolating ones, over queries."""
    near, far = (
        np.concatenate([nearest_train(each, part) for each in collections if each.split(part).query.size])
        for part in ("interpolation", "extrapolation")
    )
    return float(near.mean() - far.mean())


def test_extrapolating_queries_are_farther_from_training_than_interpolating_ones(synthetic) -> None:
    assert distance(synthetic) > 0.1


@pytest.mark.shared_data
@pytest.mark.skipif("WINNOW_DATA" not in os.environ, reason="WINNOW_DATA is not set")
def test_extrapolating_queries_of_real_data_are_farther_from_training() -> None:
    path = str(Path(os.environ["WINNOW_DATA"]) / "scifact")

    assert distance(folds({"name": "beir_folder", "path": path})) == pytest.approx(0.131, abs=0.005)


def test_the_sides_of_training_are_disjoint_equal_and_near_or_far() -> None:
    near, far = side("interpolation", k=2), side("extrapolation", k=2)

    assert not ids(near, "train") & ids(far, "train")
    assert pairs(near) == pairs(far) > 0
    assert ids(near, "interpolation") == ids(near, "test") == ids(far, "extrapolation") == ids(far, "test")
    assert not ids(near, "extrapolation") | ids(far, "interpolation")
    assert ids(near, "dev") == ids(far, "dev") != set()
    assert nearest_train(far, "test").mean() < nearest_train(near, "test").mean() - 0.1


def test_every_test_query_keeps_its_nearest_train_query() -> None:
    near, whole = side("interpolation", k=1), Synthetic(queries=100, documents=600, topics=7).load()

    assert nearest_train(near, "test") == pytest.approx(nearest_train(whole, "test"))


def test_the_far_side_is_what_is_least_like_any_test_query() -> None:
    whole = Synthetic(queries=100, documents=600, topics=7).load()
    train = sorted(ids(whole, "train") - ids(side("interpolation", k=1), "train"))
    places = [whole.query_ids.index(query) for query in train]
    vectors = resampling._embedded(whole, "static")
    nearness = (vectors[places] @ vectors[whole.split("test").queries].T).max(axis=1)

    far = np.isin(train, sorted(ids(side("extrapolation", k=1), "train")))

    assert 0 < far.sum() < len(train)
    assert nearness[far].max() <= nearness[~far].min() + 1e-6


def test_interpolation_sets_are_nested_in_k() -> None:
    assert ids(side("interpolation", k=1), "train") < ids(side("interpolation", k=2), "train")


def test_too_large_a_k_or_too_many_folds_are_refused() -> None:
    with pytest.raises(DataError, match="the 60 nearest of each test query are all train queries; lower k"):
        side("interpolation", k=60)
    with pytest.raises(DataError, match="has 5 distinct queries, too few for 6 folds"):
        folds({"name": "synthetic", "queries": 5, "documents": 40}, 6)


def test_a_fold_that_there_is_not_or_a_dataset_that_is_wrong_is_told() -> None:
    for params, message in (
        ({"dataset": "synthetic", "fold": 6}, r"fold must be in \[1, 5\], got 6"),
        ({"dataset": "synthetics", "fold": 1}, "did you mean 'synthetic'"),
        ({"dataset": {"name": "synthetic", "topics": 99}, "fold": 1}, r"topics must be in \[1, 20\], got 99"),
        ({"dataset": 7, "fold": 1}, "must be the name of a dataset, or a mapping with a name"),
    ):
        with pytest.raises(ConfigError, match=message):
            DATASETS.create("resttest", params)


def test_every_way_of_writing_the_dataset_is_the_same_source() -> None:
    written = [
        ReSTTest(dataset=dataset, fold=1)
        for dataset in ("synthetic", {"name": "synthetic"}, {"name": "synthetic", "params": {"topics": 8}})
    ]

    assert len({each.identity() for each in written}) == 1
    assert written[0].dataset == written[1].dataset == written[2].dataset
    assert written[0].dataset.params["topics"] == 8


def test_identity_names_data_encoder_and_parameters() -> None:
    same = {"dataset": SYNTHETIC}
    made = [
        *(ReSTTest(**same, fold=1, **more) for more in ({}, {"folds": 4}, {"seed": 1}, {"encoder": "minilm"})),
        ReSTTest(**same, fold=2),
        ReSTTest(dataset="synthetic", fold=1),
        *(ReSTrain(**same, side=name, k=k) for name in ("interpolation", "extrapolation") for k in (1, 2)),
        ReSTrain(**same, side="interpolation", k=1, encoder="minilm"),
    ]

    assert len({each.identity() for each in made}) == len(made)


def test_buckets_are_numbered_from_the_largest() -> None:
    rng = np.random.default_rng(0)
    vectors = np.concatenate([np.eye(3)[[0] * 5 + [1] * 20 + [2] * 10]]) + rng.normal(0, 0.01, (35, 3))

    assert buckets(vectors.astype(np.float32), 3, 0).tolist() == [2] * 5 + [0] * 20 + [1] * 10


def test_whole_queries_are_kept_in_order_while_they_fit() -> None:
    rows = Judgements.of(
        [(query, document, 1, False) for query, size in enumerate((3, 2, 1, 2)) for document in range(size)]
        + [(1, 9, 0, False), (2, 8, 1, True)]
    )

    assert fitted(rows, [1, 0, 3, 2], 4).query.tolist() == [1, 1, 1, 3, 3]
    assert fitted(rows, [0, 2], 4).queries.tolist() == [0, 2]
    assert fitted(rows, [], 4).query.size == 0


def test_a_collection_keeps_its_documents_and_queries(synthetic) -> None:
    whole = Synthetic(queries=100, documents=600, topics=7).load()

    for fold in synthetic:
        assert replace(fold, splits=whole.splits, name=whole.name) == whole
