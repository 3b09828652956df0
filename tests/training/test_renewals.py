"""When negatives are renewed, what they are then, and how old they are when they are trained on."""

import numpy as np
import pytest
import torch
from pydantic.dataclasses import dataclass

from harness.collection import Collection
from harness.composition import RepeatedMining
from harness.errors import ConfigError
from harness.losses.info_nce import InfoNCE
from harness.mining.base import PADDING
from harness.pairs import mine
from harness.pipeline import _training_data, run
from harness.registry import BASES
from harness.sources.kept import load_collection
from harness.spec import STRICT, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace, build_pool, searched, teacher_of
from harness.teachers.dense import BiEncoder, encode
from harness.teachers.student import Student
from harness.training.contrast import Contrast
from harness.training.data import Feed, TrainingData
from harness.training.refresh.base import Renewing
from harness.training.refresh.ledger import Ledger
from harness.training.renewals import Renewals
from harness.training.trainer import train
from tests.training.refreshed import BM25, DATASET, STEPS, part, run_spec


class Plain(BiEncoder):
    """The static base as a teacher whose vectors are kept."""

    def __init__(self, collection: Collection) -> None:
        self._texts = (*collection.document_texts, *collection.query_texts)

    def identity(self) -> str:
        return "plain"

    def encoder(self):
        return BASES.create("static", {}).load(max_length=32, texts=self._texts)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def collection(work) -> Collection:
    return load_collection(DATASET, work.store)


def model_for(spec: RunSpec, collection: Collection):
    texts = (*collection.document_texts, *collection.query_texts)
    return BASES.create(spec.arm.base.name, {}).load(max_length=spec.arm.max_length, texts=texts)


def brute_force(model, collection: Collection, query: np.ndarray, k: int) -> np.ndarray:
    """Rank the whole corpus for each query, ties by id, and take the best that carry no label."""
    rows = collection.split("train")
    queries = encode(model, [collection.query_texts[each] for each in query]).astype(np.float64)
    score = queries @ encode(model, collection.document_texts).astype(np.float64).T
    table = np.full((len(query), k), PADDING)
    for row, each in enumerate(query):
        known = set(rows.document[(rows.query == each) & rows.labelled])
        texts = {collection.document_texts[document] for document in known} | {collection.query_texts[each]}
        order = sorted(range(score.shape[1]), key=lambda d, row=row: (-score[row, d], collection.document_ids[d]))
        table[row] = [d for d in order if collection.document_texts[d] not in texts][:k]
    return table


def test_after_each_refresh_the_negatives_are_those_that_its_checkpoint_finds(work, collection, monkeypatch):
    spec = run_spec(part("ance", every=3), part("topk", k=3))
    model, asked = model_for(spec, collection), []
    again = RepeatedMining.again

    def watched(self, embed, step):
        found = again(self, embed, step)
        asked.append((step, brute_force(model, collection, self.first.pool.query[self.rows], 3), found))
        return found

    monkeypatch.setattr(RepeatedMining, "again", watched)
    data = _training_data(spec, collection, mine(spec, collection, work), work)
    train(model, data, spec.arm.training, InfoNCE(), 0)

    assert [step for step, *_ in asked] == [3, 6, 9]
    for _, expected, found in asked:
        assert np.array_equal(expected, found)
    assert not np.array_equal(asked[0][2], asked[2][2])


def test_each_step_trains_on_the_newest_negatives_that_could_be_fetched_and_the_record_agrees(work, monkeypatch):
    seen, mined = [], {}
    batch, again = Contrast.batch, RepeatedMining.again

    def batched(self, query, documents, labels):
        seen.append((labels[:, 0], labels[:, 1:]))
        return batch(self, query, documents, labels)

    def stamped(self, embed, step):
        mined[step] = again(self, embed, step)
        return mined[step]

    monkeypatch.setattr(Contrast, "batch", batched)
    monkeypatch.setattr(RepeatedMining, "again", stamped)
    found = run(run_spec(part("ance", every=2), part("bge_window", k=2, start=0, stop=20)), work)[0].refresh

    ages = []
    for step, (rows, negatives) in enumerate(seen):
        fits = [at for at, table in mined.items() if np.array_equal(table[rows], negatives)]
        ages.append(step - (fits[0] if fits else 0))
    # epochs of three steps; a batch is fetched one step ahead, the first of an epoch is not
    assert ages == [0, 1, 2, 1, 2, 1, 0, 1, 2, 1, 2, 1]
    assert (found.staleness_mean, found.staleness_max) == (pytest.approx(np.mean(ages)), 2)
    assert (found.step, found.first_used) == ((2, 4, 6, 8, 10), (4, 6, 7, 10, 12))


@dataclass(kw_only=True, config=STRICT)
class Picking(Renewing):
    """Takes columns of the negatives of the moment."""

    every: int = 1
    columns: tuple[int, ...]

    def begin(self, data, embed):
        return lambda now: now.negatives[:, list(self.columns)]


def renewals(*columns: int) -> Renewals:
    index = np.arange(4, dtype=np.int32)
    given = TrainingData(["a"] * 4, ["b"] * 8, index, index, np.stack([index, index + 4], axis=1))
    return Renewals(
        Picking(columns=columns), Feed(given), lambda texts, kind: np.zeros((len(texts), 2), dtype=np.float32)
    )


def test_negatives_of_another_shape_are_refused():
    with pytest.raises(ConfigError, match=r"negatives of shape \(4, 1\) for those of shape \(4, 2\)"):
        renewals(0).after(1)


def test_negatives_in_another_order_are_not_new():
    reversing = renewals(1, 0)

    reversing.after(1)

    assert reversing.record(1).replaced == (0,)
    assert reversing.record(1).changed == (0.0,)


def test_staleness_counts_the_updates_since_the_negatives_were_chosen():
    ledger = Ledger()
    for step in (2, 4):
        ledger.enter(step=step, seconds=0.5, replaced=step, compared=8)

    found = ledger.record([0, 0, 0, 2, 2, 2])

    assert (found.staleness_mean, found.staleness_max) == (pytest.approx((0 + 1 + 2 + 1 + 2 + 3) / 6), 3)
    assert found.first_used == (4, None)
    assert found.changed == (0.25, 0.5)


def test_a_student_s_pool_is_that_of_the_same_model_as_a_stored_teacher(work, collection):
    stored = build_pool(Plain(collection), collection, "train", 10, work)
    model = Plain(collection).encoder()
    other = build_pool(teacher_of(BM25), collection, "train", 7, work)

    student = Student(lambda texts, kind: encode(model, texts), collection, np.unique(other.query))
    found = searched(other, student, collection, work, split="train", depth=10)

    for column in ("document", "eligible", "hidden", "query", "excluded", "group", "pair_key"):
        assert np.array_equal(getattr(found, column), getattr(stored, column)), column
    assert found.hidden.any()
    assert not np.allclose(found.positive, other.positive)
    assert np.allclose(found.score, stored.score, atol=1e-5)
    assert np.allclose(found.positive, stored.positive, atol=1e-5)


def test_a_student_is_embedded_anew_and_can_be_stored_nowhere(work, collection):
    stored = build_pool(teacher_of(BM25), collection, "train", 7, work)
    vectors = np.random.default_rng(0).normal(size=(2, 500, 8)).astype(np.float32)
    pools = []
    for each in vectors:
        student = Student(lambda texts, kind, each=each: each[: len(texts)], collection, np.unique(stored.query))
        pools.append(searched(stored, student, collection, work, split="train", depth=7))

    assert not np.array_equal(pools[0].document, pools[1].document)
    assert not hasattr(student, "identity")  # without which nothing is stored


def test_the_arm_s_own_miner_and_shortage_policy_choose_from_what_the_student_finds(work, collection):
    window = part("bge_window", k=2, start=5, stop=9, ranks="eligible")
    spec = run_spec(part("ance", every=3), window)
    model = model_for(spec, collection)
    mining = mine(spec, collection, work).again

    first, second, later = (mining.again(lambda texts, kind: encode(model, texts), step) for step in (3, 3, 6))

    ranked = brute_force(model, collection, mining.first.pool.query, 9)
    inside = (first[:, :, None] == ranked[:, None, 5:9]).any(axis=2)
    assert inside.all()
    assert np.array_equal(first, second)
    assert not np.array_equal(first, later)


def test_the_miner_s_refusals_are_no_candidates(work, collection):
    spec = run_spec(part("conan", every=3), part("topk_percpos", k=2, share=0.8), on_shortage="keep")
    mining = mine(spec, collection, work).again
    pool, removed = mining.first.pool, mining.first.served.negatives.removed

    candidates = mining.candidates()

    assert removed.any()
    assert not pool.eligible.all()
    for row in range(len(candidates)):
        eligible = [
            PADDING if removed[row, place] else pool.document[row, place]
            for place in np.flatnonzero(pool.eligible[row])
        ]
        assert candidates[row].tolist() == eligible + [PADDING] * (candidates.shape[1] - len(eligible))


def test_pairs_that_the_first_draw_drops_stay_dropped(work, collection):
    spec = run_spec(part("ance", every=3), part("topk_percpos", k=2, share=0.55), on_shortage="drop")
    mined = mine(spec, collection, work)

    found = mined.again.again(lambda texts, kind: encode(model_for(spec, collection), texts), 3)

    assert len(mined.query) < len(mined.again.first.pool.query)
    assert found.shape == mined.negative.shape
    assert np.array_equal(mined.again.first.pool.query[mined.again.rows], mined.query)


def test_a_refresh_without_a_mining_to_ask_is_refused():
    index = np.arange(4, dtype=np.int32)
    data = TrainingData(["a"] * 4, ["b"] * 8, index, index, index[:, None] + 4)
    model = BASES.create("static", {}).load(max_length=8, texts=["a", "b"])

    with pytest.raises(ConfigError, match="the refresh ance needs a mining"):
        train(model, data, TrainingSpec(refresh=part("ance", every=1)), InfoNCE(), 0)


def test_embedding_for_a_refresh_leaves_the_random_stream_and_the_mode_of_the_model_alone(work, collection):
    from harness.training.course import embedder

    spec = run_spec(None)
    model = model_for(spec, collection).train()
    torch.manual_seed(3)
    before = torch.get_rng_state()

    embedder(model)(collection.document_texts, "document")

    assert model.training
    assert torch.equal(before, torch.get_rng_state())


def test_star_draws_every_epoch_from_one_list(work, collection):
    """STAR (arXiv:2104.08051): one document an epoch, uniformly from the list of a warm-up model."""
    window = part("bge_window", k=1, start=0, stop=20)
    spec = run_spec(None, window, redraw=True)
    training = spec.arm.training.model_copy(update={"mask_known_positives": True})
    spec = spec.model_copy(update={"arm": spec.arm.model_copy(update={"training": training})})
    pool = build_pool(teacher_of(BM25), collection, "train", 20, work)

    data = _training_data(spec, collection, mine(spec, collection, work), work)

    assert data.negative.shape == (4, 24, 1)
    assert all((epoch == pool.document).any(axis=1).all() for epoch in data.negative)
    assert len({epoch.tobytes() for epoch in data.negative}) == 4
    assert data.known is not None
    assert run(spec, work)[0].steps == STEPS
