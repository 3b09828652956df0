"""Real judged collections, where WINNOW_DATA names a folder that holds them."""

import os
from pathlib import Path

import pytest

from harness.sources.beir_folder import BeirFolder

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif("WINNOW_DATA" not in os.environ, reason="WINNOW_DATA is not set"),
]

# documents, queries, judgements of train, dev, test
SIZES = {
    "banking77": (10_003, 13_083, 50_015, 0, 400_120),
    "cranfield": (1_398, 225, 0, 0, 1_836),
    "nfcorpus": (3_395, 3_237, 110_075, 11_385, 12_334),
    "scifact": (5_183, 1_109, 919, 0, 339),
    "stackfaq": (719, 1_249, 4_624, 1_200, 1_360),
}


def source(name: str, **params: int) -> BeirFolder:
    return BeirFolder(path=str(Path(os.environ["WINNOW_DATA"]) / name), **params)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_real_collection_is_read_in_full(name: str) -> None:
    collection = source(name).load()

    judged = tuple(len(collection.split(split).query) for split in ("train", "dev", "test"))
    assert (len(collection.document_ids), len(collection.query_ids), *judged) == SIZES[name]


@pytest.mark.parametrize("name", ["nfcorpus", "stackfaq"])
def test_hiding_leaves_one_labelled_positive_per_query(name: str) -> None:
    rows = source(name, hide_positives=0).load().split("train")

    assert rows.labelled.sum() == len(rows.queries)


def test_dev_queries_come_out_of_train() -> None:
    whole, carved = source("scifact").load(), source("scifact", dev_from_train=200).load()

    assert len(carved.split("dev").queries) == 200
    assert len(carved.split("train").query) + len(carved.split("dev").query) == len(whole.split("train").query)
