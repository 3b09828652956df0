import json
from pathlib import Path

import pytest

from harness.config import load_sweep
from harness.errors import StorageError
from harness.plan import dataset_names, differences, estimate, expand, keep, make_plan, statuses
from harness.record import RunRecord, write_record
from harness.spec import (
    Component,
    ConfirmSpec,
    MiningSpec,
    MixSpec,
    RepairSpec,
    RunSpec,
    SuspectSpec,
    SweepSpec,
    TrainingSpec,
)
from harness.sweep_files import read_plan

SWEEPS = Path(__file__).parent.parent / "sweeps"


@pytest.fixture(scope="module")
def quickstart() -> SweepSpec:
    return load_sweep(SWEEPS / "quickstart.yaml")


@pytest.mark.parametrize("name", ["quickstart", "smoke", "tune_percpos", "tune_removers"])
def test_every_shipped_sweep_can_be_planned(name):
    spec = load_sweep(SWEEPS / f"{name}.yaml")

    plan = make_plan(spec)

    varied = 0 if spec.search is None else 1
    assert len(plan.specs) == (len(spec.arms) - varied) * len(spec.seeds)
    assert not varied or spec.search.arm not in {run.arm for run in plan.sweep.runs}
    assert [run.fingerprint for run in plan.sweep.runs] == [run.fingerprint for run in plan.specs]


def test_the_quickstart_arms_differ_from_the_baseline_in_one_factor(quickstart):
    arms = {arm.name: arm for arm in quickstart.arms}
    baseline = arms[quickstart.baseline]

    factors = {name: differences(arm, baseline) for name, arm in arms.items()}

    assert factors.pop("naive top-k") == []
    assert factors.pop("untrained base") == ["mining", "training"]
    assert factors.pop("in-batch only") == ["mining"]
    assert factors.pop("BM25 naive top-k") == ["mining.teacher"]
    assert set(map(tuple, factors.values())) == {("mining.miner",)}


def test_the_arms_of_the_quickstart_are_those_it_promises(quickstart):
    plan = make_plan(quickstart)

    assert len(plan.specs) == 33
    assert len({spec.fingerprint for spec in plan.specs}) == 33
    assert [comparison.arm for comparison in plan.sweep.comparisons] == [
        arm.name for arm in quickstart.arms if arm.name != "naive top-k"
    ]
    assert all(spec.arm.training in (None, quickstart.arms[1].training) for spec in plan.specs)


def test_a_run_is_identified_by_every_teacher_it_asks(quickstart):
    bm25, minilm = (Component(name=name) for name in ("bm25", "minilm"))
    mining = MiningSpec(
        teacher=minilm,
        miner=Component(name="topk"),
        mix=MixSpec(how="cross_sample", others=(bm25, minilm)),
        confirm=ConfirmSpec(teacher=minilm),
        repair=RepairSpec(action="drop_query", suspect=SuspectSpec(teacher=bm25, share=1.0)),
    )
    arm = quickstart.arms[-1].model_copy(update={"mining": mining})

    identities = expand([arm], quickstart)[0][1].identities

    first = identities["teacher"]
    assert {name for name, value in identities.items() if value == first} == {
        "teacher",
        "mix.others[1]",
        "confirm.teacher",
    }
    assert identities["mix.others[0]"] == identities["repair.suspect.teacher"] != first


def test_a_fingerprint_ignores_names_and_paths_and_nothing_else(quickstart):
    spec = make_plan(quickstart).specs[-1]
    renamed = spec.model_copy(update={"arm": spec.arm.model_copy(update={"name": "other"})})
    here, there = (
        spec.model_copy(update={"dataset": Component(name="beir_folder", params={"path": path, "train": "train"})})
        for path in ("here", "there")
    )
    changes = [
        {"seed": 9},
        {"identities": {**spec.identities, "teacher": "0"}},
        {"dataset": Component(name="docstrings", params={"seed": 1})},
        {"arm": spec.arm.model_copy(update={"training": TrainingSpec(epochs=9)})},
        {"arm": spec.arm.model_copy(update={"max_length": 9})},
        {"equal_with": (spec.arm.mining,)},
    ]

    assert renamed.fingerprint == spec.fingerprint
    assert here.fingerprint == there.fingerprint != spec.fingerprint
    assert len({spec.fingerprint, *(spec.model_copy(update=change).fingerprint for change in changes)}) == 7


def test_arms_that_drop_pairs_bind_all_trained_arms_to_the_pairs_they_keep(quickstart):
    arms = [
        arm.model_copy(update={"mining": arm.mining.model_copy(update={"on_shortage": "drop"})})
        if arm.name.startswith("PercPos")
        else arm
        for arm in quickstart.arms
    ]
    sweep = quickstart.model_copy(update={"arms": tuple(arms)})

    bound = {run.arm: spec.equal_with for run, spec in expand(arms, sweep)}
    free = {run.arm: spec.equal_with for run, spec in expand(arms, sweep.model_copy(update={"equal_queries": False}))}

    dropping = tuple(arm.mining for arm in arms if arm.name.startswith("PercPos"))
    assert bound.pop("untrained base") == ()
    assert all(minings == dropping for minings in bound.values())
    last = expand(arms, sweep)[-1][1].identities
    assert last["equal_with[0].teacher"] == last["equal_with[1].teacher"] == last["teacher"]
    assert all(minings == () for minings in free.values())


def test_datasets_are_named_by_folder_and_numbered_where_names_repeat():
    folders = [Component(name="beir_folder", params={"path": path}) for path in ("a/nq", "b/nq/", "c/fiqa")]

    assert dataset_names([Component(name="docstrings"), *folders]) == ["docstrings", "nq", "nq #2", "fiqa"]


def test_the_plan_is_kept_and_an_amended_one_names_what_it_amends(quickstart, tmp_path):
    first = keep(make_plan(quickstart), tmp_path)
    again = keep(make_plan(quickstart), tmp_path)
    changed = keep(make_plan(quickstart.model_copy(update={"question": "Why?"})), tmp_path)

    assert first == again
    assert (first.amends, changed.amends) == ((), (first.hash,))
    assert read_plan(tmp_path) == changed
    assert json.loads((tmp_path / "plans" / f"{first.hash}.json").read_text())["question"] == quickstart.question


def test_a_plan_that_is_no_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("{}")

    with pytest.raises(StorageError, match=r"plan\.json is not a plan"):
        read_plan(tmp_path)
    with pytest.raises(StorageError, match="is missing"):
        read_plan(tmp_path / "nowhere")


def test_finished_runs_cost_nothing_and_tell_what_the_others_may(quickstart, tmp_path):
    plan = make_plan(quickstart)
    before = estimate(plan, statuses(plan, tmp_path))
    for spec in plan.specs[:2]:
        record = RunRecord(
            status="finished", fingerprint=spec.fingerprint, spec=spec, timings={"train": 2.0, "mine": 1.0}
        )
        write_record(tmp_path / "runs", record, None)
    failed = plan.specs[2]
    write_record(tmp_path / "runs", RunRecord(status="failed", fingerprint=failed.fingerprint, spec=failed), None)

    after = estimate(plan, statuses(plan, tmp_path))

    assert (before.finished, before.total, before.measured) == (0, 33, False)
    assert before.seconds > 33
    assert (after.finished, after.measured) == (2, True)
    assert after.seconds == pytest.approx(31 * 3.0)


def test_minings_are_bound_once_each(quickstart):
    mining = MiningSpec(teacher=Component(name="bm25"), miner=Component(name="topk"), on_shortage="drop")
    arms = tuple(arm.model_copy(update={"mining": mining}) for arm in quickstart.arms[2:5])
    sweep = quickstart.model_copy(update={"arms": arms})

    assert expand(arms, sweep)[0][1].equal_with == (mining,)


SYNTHETIC = tuple(
    Component(name="synthetic", params={"queries": 40, "documents": 240, "seed": seed}) for seed in (0, 1)
)


def test_further_sets_and_own_documents_are_no_part_of_a_plan_that_says_nothing_of_them(quickstart):
    plan = make_plan(quickstart)

    for dumped in (plan.sweep.model_dump(), plan.specs[0].model_dump()):
        assert not {"evaluate", "drop_own"} & set(dumped)


def test_a_run_is_identified_by_the_sets_that_it_is_evaluated_on(quickstart):
    def planned(**changes):
        return make_plan(quickstart.model_copy(update=changes)).specs[0]

    usual, one, both, other = (planned(evaluate=sets) for sets in ((), SYNTHETIC[:1], SYNTHETIC, SYNTHETIC[1:]))

    assert len({spec.fingerprint for spec in (usual, one, both, other, planned(drop_own="always"))}) == 5
    assert usual.fingerprint == planned(drop_own="auto").fingerprint
    assert set(both.identities) - set(usual.identities) == {"evaluate[0]", "evaluate[1]"}
    assert both.identities["evaluate[1]"] == other.identities["evaluate[0]"] != both.identities["evaluate[0]"]
    assert RunSpec.model_validate_json(both.model_dump_json()) == both


def test_the_plan_lists_the_sets_and_changes_with_them(quickstart):
    usual, both = (make_plan(quickstart.model_copy(update={"evaluate": sets})).sweep for sets in ((), SYNTHETIC))

    assert both.evaluate == SYNTHETIC
    assert both.hash != usual.hash
    assert [run.dataset for run in both.runs] == [run.dataset for run in usual.runs]
