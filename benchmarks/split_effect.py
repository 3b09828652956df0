"""How much of a docstrings score is memory: the same queries under a split by group and a random one.

    python benchmarks/split_effect.py [--store results/.store]

Trains the static base with in-batch negatives only (the quickstart's settings, seed 0) and
prints nDCG@10 on test, for the collection as it is, with its queries dealt anew at random
(near-identical bodies then straddle train and test), and both without the distractors.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.collection import Collection, Judgements
from harness.evaluation.model import evaluate
from harness.losses.info_nce import InfoNCE
from harness.sources.kept import load_collection
from harness.spec import Component, TrainingSpec
from harness.store import Store
from harness.training.bases import Static
from harness.training.data import TrainingData
from harness.training.trainer import train

SPLITS = ("train", "dev", "test")


def dealt_anew(collection: Collection, rng: np.random.Generator) -> Collection:
    """Deal the queries to splits of the same sizes at random."""
    order = rng.permutation(len(collection.query_ids))
    sizes = np.cumsum([len(collection.split(name).queries) for name in SPLITS])
    rows = [row for name in SPLITS for row in _rows(collection.split(name))]
    dealt = dict(zip(SPLITS, np.split(order, sizes[:-1]), strict=True))
    return replace(
        collection,
        splits={
            name: Judgements.of(row for row in rows if row[0] in set(part.tolist())) for name, part in dealt.items()
        },
    )


def without_distractors(collection: Collection) -> Collection:
    """Keep only documents that are relevant to some query."""
    rows = {name: _rows(collection.split(name)) for name in SPLITS}
    kept = sorted({document for part in rows.values() for _, document, *_ in part})
    place = {document: index for index, document in enumerate(kept)}
    return replace(
        collection,
        document_ids=tuple(collection.document_ids[index] for index in kept),
        document_texts=tuple(collection.document_texts[index] for index in kept),
        splits={name: Judgements.of((q, place[d], g, h) for q, d, g, h in part) for name, part in rows.items()},
    )


def _rows(rows: Judgements) -> list[tuple[int, int, int, bool]]:
    return list(zip(*(column.tolist() for column in (rows.query, rows.document, rows.grade, rows.hidden)), strict=True))


def scores(collection: Collection) -> tuple[float, float]:
    """Return nDCG@10 on test before and after training."""
    rows = collection.split("train")
    query, positive = rows.query[rows.labelled], rows.document[rows.labelled]
    none = np.empty((len(query), 0), dtype=np.int32)
    model = Static().load(max_length=128, texts=(*collection.document_texts, *collection.query_texts))
    before = evaluate(model, collection)
    data = TrainingData(collection.query_texts, collection.document_texts, query, positive, none)
    train(model, data, TrainingSpec(), InfoNCE(), seed=0)
    after = evaluate(model, collection)
    return tuple(float(frame[frame["split"] == "test"]["ndcg_at_10"].mean()) for frame in (before, after))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("results/.store"))
    collection = load_collection(Component(name="docstrings"), Store(parser.parse_args().store))
    random = dealt_anew(collection, np.random.default_rng(0))
    cases = {
        "split by group (as it is)": collection,
        "split at random": random,
        "split by group, no distractors": without_distractors(collection),
        "split at random, no distractors": without_distractors(random),
    }
    print(f"{'':34}{'documents':>10}{'untrained':>11}{'trained':>9}")
    for name, case in cases.items():
        before, after = scores(case)
        print(f"{name:34}{len(case.document_ids):>10,}{before:>11.3f}{after:>9.3f}", flush=True)


if __name__ == "__main__":
    main()
