"""Mixes, confirmation, repair and redrawn negatives, from the spec to what is trained on."""

import numpy as np
import pytest

from harness.audit import is_hidden
from harness.collection import Collection
from harness.composition import Composer
from harness.errors import NumericError
from harness.mining.base import PADDING
from harness.pairs import Mined, mine
from harness.pipeline import run
from harness.plan import differences
from harness.sources.kept import load_collection
from harness.spec import (
    ArmSpec,
    Component,
    ConfirmSpec,
    MiningSpec,
    MixSpec,
    RepairSpec,
    RunSpec,
    SuspectSpec,
    TrainingSpec,
)
from harness.store import Store
from harness.teachers.base import Workspace, build_pool, teacher_of
from harness.training.trainer import steps_of

DATASET = Component(name="synthetic", params={"queries": 40, "documents": 240})
BM25 = Component(name="bm25")
MINILM = Component(name="minilm", params={"max_length": 32})
TRAINING = TrainingSpec(epochs=2, batch_size=8)
PAIRS = 24


def mining(name: str = "topk", teacher: Component = BM25, k: int = 4, **changes: object) -> MiningSpec:
    params = {key: changes.pop(key) for key in ("share", "start", "stop") if key in changes}
    miner = Component(name=name, params={"k": k, **params})
    return MiningSpec(teacher=teacher, miner=miner, depth=20).model_copy(update=changes)


def spec(chosen: MiningSpec | None = None, **changes: object) -> RunSpec:
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, mining=chosen, training=TRAINING)
    return RunSpec(arm=arm, dataset=DATASET, seed=0, identities={}).model_copy(update=changes)


def repair(action: str, suspect: object = "truth", **changes: object) -> RepairSpec:
    return RepairSpec(action=action, suspect=suspect, **changes)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def collection(work) -> Collection:
    return load_collection(DATASET, work.store)


@pytest.fixture
def mined(work, collection):
    def of(chosen: MiningSpec | None, **changes: object) -> Mined:
        return mine(spec(chosen, **changes), collection, work)

    return of


def hidden_pairs(collection: Collection) -> set[tuple[int, int]]:
    rows = collection.split("train")
    return set(zip(rows.query[rows.concealed].tolist(), rows.document[rows.concealed].tolist(), strict=True))


def pairs(mined: Mined) -> list[tuple[int, int]]:
    return list(zip(mined.query.tolist(), mined.positive.tolist(), strict=True))


def negative_pairs(mined: Mined) -> set[tuple[int, int]]:
    lines = zip(mined.query.tolist(), mined.negative.tolist(), strict=True)
    return {(query, document) for query, line in lines for document in line if document != PADDING}


def test_what_is_unset_is_no_part_of_a_fingerprint():
    plain = mining()

    content = spec(plain).model_dump(mode="json")["arm"]["mining"]
    parts = [
        {"mix": MixSpec(how="cross_sample", others=(MINILM,))},
        {"confirm": ConfirmSpec(teacher=MINILM)},
        {"repair": repair("drop_query")},
        {"redraw": True},
    ]

    assert set(content) == {"teacher", "miner", "depth", "on_shortage"}
    assert spec(plain).fingerprint == "b3dda10a8927f7ce"
    assert len({spec(mining(**part)).fingerprint for part in parts} | {spec(plain).fingerprint}) == 5


def test_differences_name_the_part_and_then_what_differs_in_it():
    arms = [
        spec(chosen).arm
        for chosen in (
            mining(),
            mining(repair=repair("drop_query")),
            mining(repair=repair("drop_negative")),
            mining(mix=MixSpec(how="cross_sample", others=(MINILM,))),
        )
    ]

    assert differences(arms[1], arms[0]) == ["mining.repair"]
    assert differences(arms[1], arms[2]) == ["mining.repair.action"]
    assert differences(arms[3], arms[1]) == ["mining.mix", "mining.repair"]


def test_a_mix_of_a_teacher_with_itself_is_that_teacher(mined):
    alone = mined(mining())

    for how in ("cross_sample", "intra_sample"):
        mixed = mined(mining(mix=MixSpec(how=how, others=(BM25,))))

        assert np.array_equal(mixed.negative, alone.negative)
        assert mixed.audit == alone.audit


def test_cross_sample_takes_every_pair_from_one_teacher_and_both_are_used(mined):
    bm25, minilm = (mined(mining(teacher=teacher)).negative for teacher in (BM25, MINILM))
    mixed = mined(mining(mix=MixSpec(how="cross_sample", others=(MINILM,))))

    first, second = ((mixed.negative == other).all(axis=1) for other in (bm25, minilm))

    assert (first | second).all()
    assert 4 < first.sum() < 20
    assert (first != second).any()


def test_intra_sample_alternates_between_the_teachers(mined):
    bm25, minilm = (mined(mining(teacher=teacher)).negative for teacher in (BM25, MINILM))
    kept = mined(mining(mix=MixSpec(how="intra_sample_keep", others=(MINILM,)))).negative
    distinct = mined(mining(mix=MixSpec(how="intra_sample", others=(MINILM,)))).negative

    assert np.array_equal(kept, np.stack([bm25[:, 0], minilm[:, 0], bm25[:, 1], minilm[:, 1]], axis=1))
    assert any(len(set(row)) < 4 for row in kept.tolist())
    assert all(len(set(row)) == 4 for row in distinct.tolist())


def test_mixed_negatives_are_scored_by_the_first_teacher(work, collection):
    composer = Composer(mining(mix=MixSpec(how="cross_sample", others=(MINILM,))), collection, work)
    composed = composer.compose(0)

    negatives = composer.scored(composed.served.negatives, composed.pool)

    query = np.repeat(composed.pool.query, 4)
    expected = teacher_of(BM25).score(collection, query, negatives.document.ravel(), work)
    assert np.allclose(negatives.score.ravel(), expected, atol=1e-5)


def test_no_fill_brings_back_what_any_teacher_of_a_mix_refused(work, collection):
    chosen = mining("topk_percpos", share=0.6, k=8, mix=MixSpec(how="cross_sample", others=(MINILM,)))
    composed = Composer(chosen, collection, work).compose(0)
    refused = set()
    for teacher in (BM25, MINILM):
        pool = build_pool(teacher_of(teacher), collection, "train", 20, work)
        ceiling = (pool.positive - 0.4 * np.abs(pool.positive)).astype(np.float32)
        above = pool.eligible & (pool.score >= ceiling[:, None])
        refused |= set(zip(pool.query[above.nonzero()[0]].tolist(), pool.document[above].tolist(), strict=True))

    fills = [
        (query, document)
        for query, line, own in zip(
            composed.pool.query.tolist(),
            composed.served.negatives.document.tolist(),
            composed.served.mined,
            strict=True,
        )
        for document in line[own:]
    ]

    assert len(fills) > 20
    assert not refused & set(fills)


def test_only_confirmed_candidates_are_taken_while_there_are_enough(work, collection, mined):
    pool = build_pool(teacher_of(BM25), collection, "train", 20, work)
    row = np.repeat(pool.query, 20)
    probability = teacher_of(MINILM).score(collection, row, np.maximum(pool.document, 0).ravel(), work).reshape(-1, 20)
    chosen = mined(mining(confirm=ConfirmSpec(teacher=MINILM, ceiling=0.4, scan=10))).negative

    for line, taken in enumerate(chosen.tolist()):
        good = [
            int(document)
            for place, document in enumerate(pool.document[line][:10])
            if pool.eligible[line, place] and probability[line, place] < np.float32(0.4)
        ]
        assert taken[: len(good)] == good[:4]
        assert set(taken[len(good) :]) <= set(pool.document[line][10:].tolist())


def test_where_nothing_is_confirmed_candidates_behind_the_scan_are_drawn(work, collection, mined):
    pool = build_pool(teacher_of(BM25), collection, "train", 20, work)
    fallback = mined(mining(confirm=ConfirmSpec(teacher=MINILM, ceiling=0.0, scan=10, probability="sigmoid"))).negative

    assert all(set(taken) <= set(pool.document[row][10:].tolist()) for row, taken in enumerate(fallback.tolist()))
    assert not np.array_equal(fallback, pool.document[:, 10:14])


def test_logits_become_probabilities_where_the_sweep_says_so(mined):
    logit = float(np.log(0.6 / 0.4))

    rules = [ConfirmSpec(teacher=MINILM, ceiling=0.6, probability="sigmoid")]
    rules += [ConfirmSpec(teacher=MINILM, ceiling=ceiling) for ceiling in (logit, 0.6)]
    sigmoid, same, other = (mined(mining(confirm=rule)).negatives_hash for rule in rules)

    assert sigmoid == same != other


def test_every_teacher_of_a_mix_draws_for_itself_and_the_first_as_it_would_alone(mined):
    window = {"start": 0, "stop": 20}
    alone = mined(mining("bge_window", **window)).negative
    mix = MixSpec(how="intra_sample_keep", others=(BM25,))

    both = mined(mining("bge_window", **window, mix=mix)).negative

    assert np.array_equal(both[:, ::2], alone[:, :2])
    assert not np.array_equal(both[:, 1::2], alone[:, :2])


def test_a_pair_that_is_dropped_for_want_of_negatives_passes_none_on_to_new_pairs(mined):
    relabelled = mined(mining(repair=repair("relabel_positive"), on_shortage="drop"))

    assert len(relabelled.query) < PAIRS
    assert (relabelled.negative != PADDING).all()
    assert relabelled.yields.relabelled == 0


def test_a_score_that_is_no_probability_is_refused(mined):
    with pytest.raises(NumericError, match="which is no probability: confirm needs probability: sigmoid"):
        mined(mining(teacher=MINILM, confirm=ConfirmSpec(teacher=BM25)))


def test_dropping_hidden_positives_takes_out_those_and_no_others(collection, mined):
    naive, kept, filled = (
        mined(chosen)
        for chosen in (
            mining(),
            mining(repair=repair("drop_negative"), on_shortage="keep"),
            mining(repair=repair("drop_negative")),
        )
    )

    gone = negative_pairs(naive) & hidden_pairs(collection)
    assert gone
    assert negative_pairs(kept) == negative_pairs(naive) - gone
    assert kept.audit.contamination == 0.0
    assert negative_pairs(kept) < negative_pairs(filled)
    assert not negative_pairs(filled) & gone
    assert kept.yields.suspected == filled.yields.suspected == filled.yields.backfilled == len(gone)
    assert pairs(kept) == pairs(filled) == pairs(naive)


def test_relabelled_documents_become_further_pairs_for_the_same_number_of_steps(work, collection, mined):
    naive, relabelled = mined(mining()), mined(mining(repair=repair("relabel_positive")))
    found = sorted(negative_pairs(naive) & hidden_pairs(collection))

    record = run(spec(mining(repair=repair("relabel_positive"))), work)[0]

    assert pairs(relabelled) == [*pairs(naive), *found]
    assert relabelled.pairs_hash != naive.pairs_hash
    assert not negative_pairs(relabelled) & set(pairs(relabelled))
    for query, line in zip(relabelled.query[PAIRS:], relabelled.negative[PAIRS:], strict=True):
        assert line.tolist() in relabelled.negative[:PAIRS][relabelled.query[:PAIRS] == query].tolist()
    assert relabelled.yields.relabelled == len(found)
    assert relabelled.yields.trained == PAIRS
    assert record.pairs == PAIRS + len(found)
    assert record.pairs_hash == relabelled.pairs_hash
    assert record.steps == steps_of(PAIRS, TRAINING) < steps_of(record.pairs, TRAINING)


def test_dropped_queries_are_counted_and_cost_no_steps(work, collection, mined):
    naive = mined(mining())
    suspects = {query for query, _ in negative_pairs(naive) & hidden_pairs(collection)}
    chosen = mining(repair=repair("drop_query"))

    dropped, record = mined(chosen), run(spec(chosen), work)[0]

    assert pairs(dropped) == [pair for pair in pairs(naive) if pair[0] not in suspects]
    assert dropped.yields.dropped == PAIRS - len(dropped.query) > 0
    assert (record.pairs, record.steps) == (len(dropped.query), steps_of(PAIRS, TRAINING))


def test_a_query_with_more_suspects_than_the_cap_is_dropped(collection, mined):
    naive = mined(mining())
    bad = [query for query, _ in negative_pairs(naive) & hidden_pairs(collection)]

    for cap in (0, 1, None):
        capped = mined(mining(repair=repair("drop_negative", cap=cap)))

        over = {query for query in bad if cap is not None and bad.count(query) > cap}
        assert set(naive.query.tolist()) - set(capped.query.tolist()) == over
    assert any(bad.count(query) > 1 for query in bad)


def test_another_arm_that_is_to_train_on_the_same_pairs_keeps_what_a_repair_drops(mined):
    chosen = mining(repair=repair("drop_negative", cap=0), on_shortage="drop")

    other, own = mined(mining(), equal_with=(chosen,)), mined(chosen, equal_with=(chosen,))

    assert len(own.query) < len(other.query) == own.pace == other.pace == PAIRS


def test_suspects_weigh_less_in_the_training_and_the_others_do_not(work, collection):
    light = mining(repair=repair("downweight", weight=0.25))
    full = mining(repair=repair("downweight", weight=1.0))

    mined = mine(spec(light), collection, work)
    plain, ones, quarter = (run(spec(chosen), work)[0] for chosen in (mining(), full, light))

    pool = Composer(mining(), collection, work).compose(0)
    suspected = is_hidden(pool.pool, pool.served.negatives, collection.split("train"))
    assert suspected.any()
    assert np.array_equal(mined.weight, np.where(suspected, 0.25, 1.0).astype(np.float32))
    assert plain.losses == ones.losses
    assert plain.losses[0] > quarter.losses[0]
    assert plain.negatives_hash == quarter.negatives_hash


def test_a_weight_of_zero_is_trained_as_if_the_negative_were_padding(work):
    silenced = mining(repair=repair("downweight", weight=0.0), on_shortage="keep")
    padded = mining(repair=repair("drop_negative"), on_shortage="keep")

    losses = [run(spec(chosen), work)[0].losses[0] for chosen in (silenced, padded)]

    # a suspect is doubtful for its own query alone: as a negative of the others it stays
    assert losses[0] > losses[1]


def test_a_fill_counts_in_full_beside_a_negative_that_is_weighted_down(work, collection):
    chosen = mining("topk_percpos", share=0.6, k=8, repair=repair("downweight", SuspectSpec(margin=1000.0), weight=0.5))
    composed = Composer(chosen, collection, work).compose(0)

    own = np.arange(8) < composed.served.mined[:, None]

    assert (~own).any()
    assert (composed.weight[~own] == 1.0).all()
    assert (composed.weight[own] == 0.5).all()


@pytest.mark.parametrize("teacher", [None, BM25, MINILM])
def test_suspects_lie_above_the_ceiling_of_the_teacher_that_judges(teacher, work, collection):
    chosen = mining("random", repair=repair("drop_negative", SuspectSpec(teacher=teacher, share=0.3), cap=None))
    before = Composer(mining("random"), collection, work).compose(0)
    judge = teacher_of(teacher or BM25)
    pool, document = before.pool, before.served.negatives.document
    score = judge.score(collection, np.repeat(pool.query, 4), document.ravel(), work).reshape(-1, 4)
    positive = judge.score(collection, pool.query, pool.positive_document, work)
    above = score >= (positive - 0.7 * np.abs(positive)).astype(np.float32)[:, None]

    suspects = Composer(chosen, collection, work).compose(0).repaired.suspects

    found = {(q, d) for q, line in zip(pool.query.tolist(), suspects.tolist(), strict=True) for d in line if d >= 0}
    row, column = above.nonzero()
    assert found == set(zip(pool.query[row].tolist(), document[row, column].tolist(), strict=True))
    assert found


@pytest.mark.parametrize("policy", ["backfill_random", "backfill_deeper"])
def test_no_fill_brings_back_a_suspect_not_even_one_from_outside_the_pool(policy, mined):
    rule = repair("relabel_positive", SuspectSpec(margin=1000.0, boundary="at_or_below"), cap=None)
    everything = mined(mining("random", k=16))
    chosen = mining("random", k=16, on_shortage=policy, repair=rule)

    refilled = mined(chosen)

    assert len(negative_pairs(refilled)) == len(negative_pairs(everything))
    assert not negative_pairs(refilled) & negative_pairs(everything)


def test_redrawn_negatives_differ_by_epoch_and_begin_with_those_drawn_once(work, mined):
    window = {"start": 0, "stop": 20}
    once = mined(mining("bge_window", **window))
    redrawn = mined(mining("bge_window", **window, redraw=True))

    assert redrawn.negative.shape == (TRAINING.epochs, PAIRS, 4)
    assert np.array_equal(redrawn.negative[0], once.negative)
    assert not np.array_equal(redrawn.negative[0], redrawn.negative[1])
    assert redrawn.audit == once.audit
    assert redrawn.negatives_hash != once.negatives_hash


def test_redrawn_negatives_are_trained_on_for_the_same_steps_on_the_same_pairs(work):
    window = {"start": 0, "stop": 20}

    once, redrawn = (run(spec(mining("bge_window", **window, redraw=redraw)), work)[0] for redraw in (False, True))

    half = steps_of(PAIRS, TRAINING) // 2
    assert (once.steps, once.pairs_hash) == (redrawn.steps, redrawn.pairs_hash)
    assert once.losses[:half] == redrawn.losses[:half]
    assert once.losses[half:] != redrawn.losses[half:]


def test_a_repair_and_redrawing_exclude_each_other():
    with pytest.raises(ValueError, match="redraw and repair exclude each other"):
        MiningSpec(teacher=BM25, miner=Component(name="topk"), redraw=True, repair=repair("drop_query"))
