import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness import jobs, pipeline
from harness.collection import Collection
from harness.environment import installed
from harness.errors import DataError, StorageError
from harness.jobs import LEASES, Ended, Preparation, RunJob
from harness.leases import LeaseLostError, take
from harness.pairs import mine
from harness.pipeline import attempt, looked_at, run
from harness.record import PER_QUERY_COLUMNS, MemoryRetry, read_per_query, read_record
from harness.registry import BASES
from harness.sources.kept import load_collection, read, write
from harness.spec import ArmSpec, Component, EarlyStoppingSpec, MiningSpec, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.bases import Static
from harness.training.contrast import Contrast
from harness.training.data import Feed
from harness.training.within_memory import Retry

DATASET = Component(name="synthetic", params={"queries": 40, "documents": 240})
BM25 = Component(name="bm25")
TRAINING = TrainingSpec(epochs=1, batch_size=8)


def mining(name: str, on_shortage: str = "backfill_deeper", **params: object) -> MiningSpec:
    miner = Component(name=name, params={"k": 2, **params})
    return MiningSpec(teacher=BM25, miner=miner, depth=20, on_shortage=on_shortage)


def spec(chosen: MiningSpec | None = None, **changes: object) -> RunSpec:
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, mining=chosen, training=TRAINING)
    return RunSpec(arm=arm, dataset=DATASET, seed=0, identities={}).model_copy(update=changes)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def collection(work) -> Collection:
    return load_collection(DATASET, work.store)


def test_a_run_leaves_everything_that_a_report_needs(work, tmp_path):
    record = attempt(spec(mining("topk")), work, tmp_path)

    folder = tmp_path / record.fingerprint
    frame = read_per_query(folder)
    assert read_record(folder) == record
    assert record.status == "finished"
    assert tuple(frame.columns) == PER_QUERY_COLUMNS
    assert set(frame["split"]) == {"dev", "test"}
    assert record.metrics["test"]["ndcg_at_10"] == pytest.approx(frame.query("split == 'test'")["ndcg_at_10"].mean())
    assert record.steps == len(record.losses) == 3
    assert record.yields.trained == record.yields.pairs == 24
    assert record.audit.negatives == 48
    assert sorted(path.name for path in tmp_path.iterdir()) == [record.fingerprint]
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "negatives.parquet",
        "per_query.parquet",
        "rankings.parquet",
        "record.json",
        "trace.parquet",
    ]
    assert (tmp_path.parent / "environment" / f"{record.environment.lock}.lock").read_bytes() == installed()


def test_a_run_records_its_batching_and_one_without_has_no_such_key(work, tmp_path):
    plain = spec()
    arm = plain.arm.model_copy(update={"training": TRAINING.model_copy(update={"batching": Component(name="topics")})})

    with_topics, without = (attempt(each, work, tmp_path) for each in (spec(arm=arm), plain))

    assert without.batching is None
    assert "batching" not in (tmp_path / without.fingerprint / "record.json").read_text()
    assert with_topics.fingerprint != without.fingerprint
    assert with_topics.steps == without.steps
    assert with_topics.pairs_hash == without.pairs_hash
    assert with_topics.batching.clusterings[0].clusters == 1
    assert read_record(tmp_path / with_topics.fingerprint) == with_topics


def test_the_same_run_gives_the_same_numbers_and_another_seed_others(work):
    first, second, other = (run(spec(mining("random"), seed=seed), work) for seed in (0, 0, 1))

    assert first[0].negatives_hash == second[0].negatives_hash != other[0].negatives_hash
    assert first[0].losses == second[0].losses != other[0].losses
    assert first[1].equals(second[1])


def test_arms_train_on_the_same_pairs_for_the_same_steps(work):
    arms = [None, mining("topk"), mining("random"), mining("topk_percpos", share=0.5), mining("oracle")]

    records = [run(spec(chosen), work)[0] for chosen in arms]

    assert len({record.pairs_hash for record in records}) == 1
    assert {record.steps for record in records} == {3}


def test_the_oracle_mines_no_hidden_positive_and_topk_does(work):
    naive, oracle = (run(spec(mining(name)), work)[0].audit for name in ("topk", "oracle"))

    assert naive.contamination > 0.2
    assert oracle.contamination == 0.0
    assert oracle.hidden_removed == oracle.hidden_in_pool > 0


def test_pairs_that_one_arm_drops_are_dropped_from_all(work, collection):
    dropping = mining("topk_percpos", "drop", share=0.6)
    bound = {"equal_with": (dropping,)}

    mined = [mine(spec(chosen, **bound), collection, work) for chosen in (None, mining("topk"), dropping)]
    alone = mine(spec(mining("topk")), collection, work)

    assert 0 < len(mined[0].query) < len(alone.query) == 24
    assert len({part.pairs_hash for part in mined}) == 1
    assert mined[1].yields.dropped == mined[2].yields.dropped == 24 - len(mined[0].query)


def test_a_kept_shortage_is_trained_on_with_padding(work, collection):
    mined = mine(spec(mining("topk_percpos", "keep", share=0.3)), collection, work)

    assert (mined.negative < 0).any()
    assert mined.yields.trained == 24
    assert mined.yields.backfilled == 0
    assert run(spec(mining("topk_percpos", "keep", share=0.3)), work)[0].status == "finished"


def test_every_negative_has_a_teacher_score_also_the_random_ones(work):
    record = run(spec(mining("random")), work)[0]

    assert sum(record.audit.histograms.counts["negative"]) == record.audit.negatives == 48
    assert record.audit.hardness < 0


def test_no_mined_document_is_a_labelled_positive_or_its_twin(work, collection):
    mined = mine(spec(mining("topk")), collection, work)
    texts = np.array(collection.document_texts)

    assert not (mined.negative == mined.positive[:, None]).any()
    assert not (texts[mined.negative] == texts[mined.positive][:, None]).any()


def test_an_untrained_base_is_evaluated_as_it_is(work):
    untrained = spec(arm=ArmSpec(name="base", base=Component(name="static"), max_length=32))

    first, second = (run(untrained.model_copy(update={"seed": seed}), work) for seed in (0, 1))

    assert first[0].steps == 0
    assert first[0].pairs_hash == first[0].negatives_hash == ""
    assert first[1].equals(second[1])


def test_a_base_that_gives_nan_fails_its_run_and_leaves_a_record(work, tmp_path, monkeypatch):
    load = Static.load

    def poisoned(self, *, max_length, texts):
        model = load(self, max_length=max_length, texts=texts)
        next(model.parameters()).data[:] = float("nan")
        return model

    monkeypatch.setattr(Static, "load", poisoned)
    for training, message in ((TRAINING, "training loss is nan"), (None, "NaN or infinity for the text")):
        arm = spec().arm.model_copy(update={"training": training})

        record = attempt(spec(arm=arm), work, tmp_path)

        assert (record.status, record.failure.kind) == ("failed", "NumericError")
        assert message in record.failure.message
        assert not (tmp_path / record.fingerprint / "per_query.parquet").exists()


def test_a_failed_run_is_tried_again_and_a_finished_one_is_not(work, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Static, "load", lambda *_, **__: 1 / 0)
        failed = attempt(spec(), work, tmp_path)
    finished = attempt(spec(), work, tmp_path)
    monkeypatch.setattr(Static, "load", lambda *_, **__: pytest.fail("run again"))

    assert (failed.status, failed.failure.kind) == ("failed", "ZeroDivisionError")
    assert "ZeroDivisionError" in failed.failure.traceback
    assert finished.status == "finished"
    assert attempt(spec(), work, tmp_path) == finished


def test_a_failed_run_says_how_long_the_stages_took_that_it_reached(work, tmp_path, monkeypatch):
    monkeypatch.setattr(Contrast, "of", lambda *_: time.sleep(0.05) or 1 / 0)

    failed = attempt(spec(mining("topk")), work, tmp_path)

    assert list(failed.timings) == ["load", "mine", "train"]
    assert 0.05 <= failed.timings["train"] < 5
    assert read_record(tmp_path / failed.fingerprint).timings == failed.timings


def test_attempts_that_failed_before_are_on_record_and_the_last_five_are_kept(work, tmp_path, monkeypatch):
    def fail(number: int):
        def load(*_, **__):
            message = f"attempt {number}"
            raise DataError(message)

        with monkeypatch.context() as patch:
            patch.setattr(Static, "load", load)
            return attempt(spec(), work, tmp_path)

    failed = [fail(number) for number in range(7)]
    finished = attempt(spec(), work, tmp_path)

    assert "earlier" not in failed[0].model_dump()
    assert [len(record.earlier) for record in failed] == [0, 1, 2, 3, 4, 5, 5]
    assert [each.message for each in finished.earlier] == [f"attempt {number}" for number in range(2, 7)]
    assert {each.kind for each in finished.earlier} == {"DataError"}
    assert finished.earlier[-1].seconds == pytest.approx(sum(failed[-1].timings.values()))
    assert attempt(spec(), work, tmp_path) == read_record(tmp_path / finished.fingerprint) == finished


def test_a_record_that_cannot_be_written_stops_the_sweep(work, tmp_path):
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(StorageError, match="cannot write"):
        attempt(spec(), work, tmp_path / "runs")


def test_a_collection_survives_being_kept(collection, tmp_path):
    odd = replace(collection, document_texts=(*collection.document_texts[:-1], "half a pair \ud83d, \u2028 and \x00"))

    write(odd, tmp_path / "collection.json")

    assert read(tmp_path / "collection.json").digest == odd.digest != collection.digest


def stopping_early(**changes: object) -> RunSpec:
    settings = TRAINING.model_copy(update={"early_stopping": EarlyStoppingSpec(every=1, patience=1)})
    return spec(arm=spec().arm.model_copy(update={"training": settings}), **changes)


def test_early_stopping_records_its_looks_at_dev_and_reads_no_test_query(work, monkeypatch):
    split, train, asked = Collection.split, pipeline.train_within_memory, []
    monkeypatch.setattr(Collection, "split", lambda self, name: asked.append(name) or split(self, name))

    def watched(*arguments, **settings):
        asked.clear()
        found = train(*arguments, **settings)
        assert set(asked) == {"dev"}
        return found

    monkeypatch.setattr(pipeline, "train_within_memory", watched)
    record, per_query, *_ = run(stopping_early(), work)

    looks = dict(zip(record.stopping.steps, record.stopping.values, strict=True))
    assert record.stopping.steps[-1] == record.steps == len(record.losses) <= 3
    assert looks[record.stopping.best_step] == max(looks.values())
    assert record.metrics["dev"]["ndcg_at_10"] == looks[record.stopping.best_step]
    assert set(per_query["split"]) == {"dev", "test"}


def test_a_collection_without_dev_refuses_early_stopping_before_anything_is_loaded(work, collection, monkeypatch):
    judgements = {name: rows for name, rows in collection.splits.items() if name != "dev"}
    for module in (pipeline, jobs):
        monkeypatch.setattr(module, "load_collection", lambda *_: replace(collection, splits=judgements))
    monkeypatch.setattr(Static, "load", lambda *_, **__: pytest.fail("loaded"))

    with pytest.raises(DataError, match=r"early_stopping needs dev queries to look at, and .* has none"):
        run(stopping_early(), work)
    with pytest.raises(DataError, match="needs dev queries"):
        Preparation(DATASET, None, 1, looked_at(stopping_early().arm))(work)
    assert looked_at(spec().arm) == ()


def test_a_run_whose_training_fits_no_memory_fails_as_that(work, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("harness.training.contrast.Contrast.forward", full)

    record = attempt(spec(), work, tmp_path / "runs")

    assert (record.status, record.failure.kind) == ("failed", "DeviceMemoryError")
    assert "batch_size below 8" in record.failure.message


def test_a_retry_in_less_memory_is_on_record(work, monkeypatch):
    train = pipeline.train_within_memory

    def retried(*arguments, **settings):
        model, trained, _ = train(*arguments, **settings)
        return model, trained, Retry(step=1, micro_batch=8, retried_with=4, message="full")

    plain = run(spec(), work)[0]
    monkeypatch.setattr(pipeline, "train_within_memory", retried)
    record = run(spec(), work)[0]

    assert record.memory == MemoryRetry(step=1, micro_batch=8, retried_with=4, message="full")
    assert plain.memory is None
    assert {"memory", "stopping"}.isdisjoint(plain.model_dump())


def test_a_run_that_was_cut_off_goes_on_and_its_checkpoints_go_with_its_record(work, tmp_path, monkeypatch):
    undisturbed = attempt(spec(), work, tmp_path / "a" / "runs")
    of, steps = Contrast.of, []

    def cut_off(self, *arguments):
        steps.append(None)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return of(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Contrast, "of", cut_off)
        with pytest.raises(KeyboardInterrupt):
            attempt(spec(), work, tmp_path / "b" / "runs", checkpoint_minutes=0)
    kept = sorted(path.name for path in tmp_path.glob("b/checkpoints/*/*"))
    steps.clear()
    monkeypatch.setattr(Contrast, "of", lambda *arguments: steps.append(None) or of(*arguments))
    resumed = attempt(spec(), work, tmp_path / "b" / "runs", checkpoint_minutes=0)

    assert kept == ["step-000000001", "step-000000002"]
    assert len(steps) == 1
    assert (resumed.losses, resumed.metrics) == (undisturbed.losses, undisturbed.metrics)
    assert not list(tmp_path.glob("b/checkpoints/*"))


def test_arms_with_the_same_pairs_see_them_in_the_same_order(work, monkeypatch):
    rows, seen = Feed.rows, []
    monkeypatch.setattr(Feed, "rows", lambda self, numbers: seen[-1].append(list(numbers)) or rows(self, numbers))

    for chosen in (None, mining("topk"), mining("random"), mining("oracle")):
        seen.append([])
        run(spec(chosen), work)

    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert sorted(number for batch in seen[0] for number in batch) == list(range(24))
    assert [len(batch) for batch in seen[0]] == [8, 8, 8]


def test_bases_say_what_they_cost(work):
    assert all(entry.factory.seconds_per_pair > 0 for entry in BASES)


def test_a_worker_that_wakes_up_after_its_run_was_taken_over_changes_nothing(work, tmp_path, monkeypatch):
    job = RunJob(spec(), tmp_path / "runs")
    takeover = []

    def stalled(*arguments):
        takeover.append(take(tmp_path / LEASES, job.spec.fingerprint))
        return run(*arguments)

    monkeypatch.setattr("harness.pipeline.run", stalled)

    with pytest.raises(LeaseLostError, match="token 1 is lost"):
        job(work)

    assert not list((tmp_path / "runs").iterdir())
    with takeover[0].fence():
        assert takeover[0].token == 2


def test_a_finished_run_gives_its_lease_back_and_a_failed_one_keeps_counting(work, tmp_path, monkeypatch):
    job = RunJob(spec(), tmp_path / "runs")
    with monkeypatch.context() as broken:
        broken.setattr("harness.pipeline.mine", lambda *arguments: 1 / 0)
        failed = job(work)
        kept = job.pulse()

    finished = job(work)

    assert (failed, kept, finished) == (Ended("failed", 1), (1, 0), Ended("finished", 2))
    assert job.pulse() is None
