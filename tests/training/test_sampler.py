import os
from collections import Counter
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from accelerate import Accelerator, skip_first_batches
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

from harness.errors import StorageError
from harness.losses.info_nce import InfoNCE
from harness.registry import BATCHERS
from harness.sources.beir_folder import BeirFolder
from harness.spec import Component, TrainingSpec
from harness.training.bases import Static
from harness.training.data import Feed, TrainingData
from harness.training.sampler import Batches, BatchSampler, pairs_of
from harness.training.trainer import steps_of, train

QUERIES = [f"sort the {word} by {key}" for word in ("array", "list", "table", "tree") for key in ("row", "key", "name")]
DOCUMENTS = [f"returns a {what} sorted along the {where} axis" for what in ("copy", "view") for where in "xyzuvw"]
EVERY = pytest.mark.parametrize("name", BATCHERS.names())


def data() -> TrainingData:
    """Return 30 pairs of 12 queries and 12 documents: texts that come twice or thrice, as in a list of FAQs."""
    query = (np.arange(30) % 12).astype(np.int32)
    positive = (np.arange(30) * 5 % 12).astype(np.int32)
    return TrainingData(QUERIES, DOCUMENTS, query, positive, np.empty((30, 0), dtype=np.int32))


def static() -> SentenceTransformer:
    return Static().load(max_length=32, texts=[*QUERIES, *DOCUMENTS])


def spec(name: str | None, epochs: int = 3, batch_size: int = 8, **params: int) -> TrainingSpec:
    batching = None if name is None else Component(name=name, params=params)
    return TrainingSpec(epochs=epochs, batch_size=batch_size, batching=batching)


@pytest.fixture
def handed_out(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[list[int]]]:
    """Note the numbers of pairs of every batch that the trainer fetches, by epoch."""
    seen: dict[int, list[list[int]]] = {}
    rows = Feed.rows

    def recorded(self, numbers):
        seen.setdefault(self._epoch, []).append([int(number) for number in numbers])
        return rows(self, numbers)

    monkeypatch.setattr(Feed, "rows", recorded)
    return seen


def batches(name: str, seed: int = 0, epochs: int = 3, **params: int) -> Batches:
    """Return batches of a model that is not trained, after some epochs."""
    found = Batches(spec(name, **params), data(), static(), seed)
    for epoch in range(epochs):
        found.of(epoch)
    return found


@EVERY
def test_the_trainer_sees_every_pair_once_per_epoch_in_the_batches_of_that_epoch(name, handed_out):
    untrained = Batches(spec(name), data(), static(), 0)
    expected = {epoch: untrained.of(epoch) for epoch in range(3)}

    trained = train(static(), data(), spec(name), InfoNCE(), 0)

    assert [Counter(chain(*handed_out[epoch])) for epoch in range(3)] == [Counter(range(30))] * 3
    assert [[len(batch) for batch in handed_out[epoch]] for epoch in range(3)] == [[8, 8, 8, 6]] * 3
    assert len(trained.losses) == steps_of(30, spec(name)) == 12
    same = 1 if name == "ngame" else 3  # its clusters follow the model, which is trained here
    assert [handed_out[epoch] for epoch in range(same)] == [expected[epoch] for epoch in range(same)]


@EVERY
def test_the_same_seed_gives_the_same_batches_and_another_seed_or_epoch_does_not(name):
    first, again, other = (batches(name, seed, epochs=1) for seed in (0, 0, 1))

    assert first.of(0) == again.of(0)
    assert first.of(0) != other.of(0)
    assert again.of(0) != first.of(1)


def test_batchers_that_embed_see_the_model_as_the_epoch_begins(monkeypatch):
    model = static()
    weight = next(model.parameters())
    begun, embedded = [], []
    monkeypatch.setattr(Feed, "next_epoch", lambda self: begun.append(weight.detach().clone()))
    embed = SentenceTransformer.encode

    def encode(self, *arguments, **options):
        embedded.append(weight.detach().clone())
        return embed(self, *arguments, **options)

    monkeypatch.setattr(SentenceTransformer, "encode", encode)
    train(model, data(), spec("ngame"), InfoNCE(), 0)

    assert len(begun) == 3
    assert len(embedded) == 2
    assert torch.equal(embedded[0], begun[1])
    assert torch.equal(embedded[1], begun[2])
    assert not torch.equal(begun[1], begun[2])


@pytest.mark.parametrize("training", [True, False])
def test_embedding_leaves_the_model_in_the_mode_that_it_was_in(training):
    model = static().train(training)

    pairs_of(data(), model).embed_queries()

    assert model.training is training


def test_pairs_are_embedded_in_their_own_order_each_text_once():
    model = static()
    asked = []
    encode = model.encode
    model.encode = lambda texts, **options: asked.append(len(texts)) or encode(texts, **options)
    pairs = pairs_of(data(), model)

    queries, positives = pairs.embed_queries(), pairs.embed_positives()

    assert asked == [12, 12]
    expected = encode([QUERIES[index] for index in data().query], normalize_embeddings=True)
    np.testing.assert_allclose(expected, queries, atol=1e-6)
    expected = encode([DOCUMENTS[index] for index in data().positive], normalize_embeddings=True)
    np.testing.assert_allclose(expected, positives, atol=1e-6)


def test_texts_that_differ_in_case_or_white_space_alone_are_one():
    given = replace(data(), query_texts=[*QUERIES[:11], QUERIES[0].upper().replace(" ", "  ")])

    query = pairs_of(given, static()).query

    assert query[11] == query[0]
    assert len(set(query.tolist())) == 11


def test_no_duplicates_has_fewer_conflicts_than_chance_and_both_are_recorded():
    apart, chance = (batches(name).record for name in ("no_duplicates", "random"))

    assert len(apart.conflicts) == len(chance.conflicts) == 3
    assert sum(apart.conflicts) < sum(chance.conflicts) / 2
    assert apart.clusterings == chance.clusterings == ()


def test_clusterings_are_recorded_with_their_epochs_and_sizes():
    ngame, topics = batches("ngame", epochs=4, refresh_interval=5).record, batches("topics", cluster_size=4).record

    sizes = [(each.epoch, each.clusters, each.smallest, each.largest) for each in ngame.clusterings]
    assert sizes == [(1, 4, 7, 8), (2, 1, 30, 30)]
    assert [(each.epoch, each.clusters) for each in topics.clusterings] == [(0, 3)]
    assert ngame.seconds > 0


def test_a_training_reports_what_its_batches_did():
    trained = train(static(), data(), spec("random", epochs=2), InfoNCE(), 0)

    assert trained.batching is not None
    assert trained.batching.conflicts == batches("random", epochs=2).record.conflicts


def test_an_arm_without_batching_has_no_record_and_the_trainer_s_own_shuffle(handed_out):
    trained = train(static(), data(), spec(None, epochs=1), InfoNCE(), 0)

    assert trained.batching is None
    assert sorted(chain(*handed_out[0])) == list(range(30))


def loader(sampler: BatchSampler) -> torch.utils.data.DataLoader:
    rows = torch.utils.data.DataLoader(list(range(30)), batch_sampler=sampler, collate_fn=list)
    return Accelerator(cpu=True).prepare(rows)


@EVERY
def test_a_training_that_goes_on_from_the_middle_of_an_epoch_has_the_same_batches(name):
    given, training, model = data(), spec(name), static()
    whole = Batches(training, given, model, 0)
    expected = {epoch: whole.of(epoch) for epoch in range(3)}
    stopped = Batches(training, given, model, 0)
    for epoch in range(2):
        stopped.of(epoch)
    stored = stopped.remember()

    resumed = Batches(training, given, model, 0)
    resumed.recall(stored)
    full = loader(BatchSampler(datasets.Dataset.from_dict({"label": list(range(30))}), resumed))
    rest = skip_first_batches(full, 2)
    rest.set_epoch(1)
    rest.batch_sampler.batch_sampler.set_epoch(1)

    assert list(rest) == expected[1][2:]
    full.set_epoch(2)
    assert list(full) == expected[2]
    assert resumed.record.conflicts == whole.record.conflicts
    assert resumed.record.clusterings == whole.record.clusterings


def test_an_epoch_may_be_asked_for_again_and_none_may_be_left_out():
    begun = Batches(spec("topics"), data(), static(), 0)

    first = begun.of(0)

    assert begun.of(0) == first
    with pytest.raises(StorageError, match="batches of epoch 2 were asked for after those of epoch 0"):
        begun.of(2)


@pytest.mark.shared_data
@pytest.mark.skipif("WINNOW_DATA" not in os.environ, reason="WINNOW_DATA is not set")
def test_sentence_transformers_own_sampler_skips_pairs_of_stackfaq_and_ours_does_not():
    collection = BeirFolder(path=str(Path(os.environ["WINNOW_DATA"]) / "stackfaq"), hide_positives=0).load()
    rows = collection.split("train")
    query, positive = rows.query[rows.labelled], rows.document[rows.labelled]
    none = np.empty((len(query), 0), dtype=np.int32)
    given = TrainingData(collection.query_texts, collection.document_texts, query, positive, none)
    columns = {
        "anchor": [collection.query_texts[index] for index in query],
        "positive": [collection.document_texts[index] for index in positive],
    }
    table = datasets.Dataset.from_dict(columns)
    theirs = NoDuplicatesBatchSampler(table, batch_size=64, drop_last=False, generator=torch.Generator(), seed=0)
    ours = Batches(spec("no_duplicates", batch_size=64), given, static(), 0)

    seen = [set(chain(*found)) for found in (list(islice(theirs, len(theirs))), ours.of(0))]

    assert len(query) == len(seen[1]) == 749
    assert len(seen[0]) < 749
