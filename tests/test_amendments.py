"""What a later plan of a sweep says of the earlier one."""

import json
from pathlib import Path

import pytest

from harness.amendments import changes
from harness.config import load_sweep
from harness.errors import ConfigError
from harness.plan import chosen_hash, keep, make_plan
from harness.record import RunRecord, write_record
from harness.spec import Amendment, Component, PlannedRun, RangeSpec, SearchSpec, SplitRoles, SweepSpec
from harness.sweep_files import Point, read_plan, write_points

ROOT = Path(__file__).parent.parent
SYNTHETIC = Component(name="synthetic", params={"queries": 40, "documents": 240})
OTHER = Component(name="synthetic", params={"queries": 40, "documents": 240, "seed": 1})


@pytest.fixture(scope="module")
def sweep() -> SweepSpec:
    whole = load_sweep(ROOT / "sweeps" / "quickstart.yaml")
    return whole.model_copy(update={"datasets": (SYNTHETIC,), "arms": whole.arms[:4], "evaluate": ()})


def said(sweep: SweepSpec, **changed: object) -> list[str]:
    return changes(make_plan(sweep).sweep, make_plan(sweep.model_copy(update=changed)).sweep)


def test_the_same_plan_changes_nothing(sweep):
    assert said(sweep) == []


def test_each_kind_of_change_is_named(sweep):
    search = SearchSpec(arm="random", trials=2, space={"miner.k": RangeSpec()})
    untrained = sweep.arms[0]

    assert said(sweep, question="Why?") == [f'question changed from "{sweep.question}" to "Why?"']
    assert said(sweep, metric="auc") == ['metric changed from "ndcg_at_10" to "auc"']
    assert said(sweep, equal_queries=False) == ["equal_queries changed from true to false"]
    assert said(sweep, seeds=(0, 1, 3)) == ["seed added: 3", "seed removed: 2"]
    assert said(sweep, seeds=(2, 1, 0)) == ["seeds put in another order"]
    assert said(sweep, exclusions=("None.",)) == ["exclusion added: None."]
    assert said(sweep, arms=sweep.arms[1:]) == [
        "arm removed: untrained base",
        "comparison removed: untrained base with naive top-k on synthetic",
    ]
    longer = untrained.model_copy(update={"max_length": 64})
    assert said(sweep, arms=(longer, *sweep.arms[1:])) == ["arm changed: untrained base (max_length)"]
    assert said(sweep, comparisons=("random",)) == [
        f"comparison removed: {arm} with naive top-k on synthetic" for arm in ("untrained base", "in-batch only")
    ]
    assert said(sweep, search=search)[0] == "search added"
    assert said(sweep.model_copy(update={"search": search}), search=None)[0] == "search removed"
    deeper = search.model_copy(update={"trials": 3})
    assert said(sweep.model_copy(update={"search": search}), search=deeper) == ["search changed"]


def test_a_further_set_is_named_with_the_runs_that_it_costs(sweep):
    added, anew = said(sweep, evaluate=(OTHER,))

    assert added == f"further set added: {OTHER.label}"
    assert anew.startswith("runs of unchanged arms to be carried out anew: 12 (")


def test_a_dataset_that_gives_way_is_named(sweep):
    found = said(sweep, datasets=(OTHER,))

    assert found[:2] == [f"dataset added: {OTHER.label}", f"dataset removed: {SYNTHETIC.label}"]


def test_data_that_changed_under_the_same_name_are_noticed(sweep, monkeypatch):
    before = make_plan(sweep).sweep
    runs = tuple(run.model_copy(update={"fingerprint": f"{place:016}"}) for place, run in enumerate(before.runs))

    found = changes(before, before.model_copy(update={"runs": runs}))

    assert [line.partition(" (")[0] for line in found] == ["runs of unchanged arms to be carried out anew: 12"]


def test_an_amendment_counts_what_had_finished_before_it(sweep, tmp_path):
    plan = make_plan(sweep)
    first = keep(plan, tmp_path)
    for spec, status in zip(plan.specs, ("finished", "failed", "finished"), strict=False):
        write_record(tmp_path / "runs", RunRecord(status=status, fingerprint=spec.fingerprint, spec=spec), None)
    searched = plan.specs[0].model_copy(update={"seed": 9})
    write_record(tmp_path / "runs", RunRecord(status="finished", fingerprint=searched.fingerprint, spec=searched), None)
    point = PlannedRun(fingerprint=searched.fingerprint, arm="point", dataset="synthetic", seed=9)
    write_points(tmp_path, [Point(number=0, values={}, arm=searched.arm, runs=(point,))])

    second = keep(make_plan(sweep.model_copy(update={"metric": "auc"})), tmp_path)
    third = keep(make_plan(sweep), tmp_path)

    there, back = (
        f'metric changed from "{old}" to "{new}"' for old, new in (("ndcg_at_10", "auc"), ("auc", "ndcg_at_10"))
    )
    assert second.amendments == (Amendment(hash=first.hash, finished=3, changes=(there,)),)
    assert third.amendments == (*second.amendments, Amendment(hash=second.hash, finished=3, changes=(back,)))
    assert third.amends == (first.hash, second.hash)
    assert read_plan(tmp_path) == third


def test_a_plan_says_what_is_tuned_and_judged_on_and_what_will_be_left_out(sweep, tmp_path):
    stated = sweep.model_copy(update={"exclusions": ("Queries of one word.",)})

    keep(make_plan(stated), tmp_path)

    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["splits"] == {"tune": "dev", "judge": "test"}
    assert written["family"] == "holm"
    assert written["exclusions"] == ["Queries of one word."]
    assert make_plan(stated).sweep.hash != make_plan(sweep).sweep.hash


def test_a_plan_from_before_is_read_and_keeps_its_hash(sweep, tmp_path):
    plan = keep(make_plan(sweep), tmp_path)
    content = json.loads((tmp_path / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(
        json.dumps({key: content[key] for key in content if key not in ("splits", "family")})
    )

    again = keep(make_plan(sweep), tmp_path)

    assert not {"exclusions", "amendments"} & set(content)
    assert again == plan
    assert again.splits == SplitRoles()
    assert json.loads((tmp_path / "plan.json").read_text()) == content


def test_the_hash_of_a_published_plan_is_still_that_of_its_content():
    plan = read_plan(ROOT / "results" / "published" / "quickstart")

    assert chosen_hash(plan) == plan.hash
    followed = {"amends": ("0",), "amendments": (Amendment(hash="0", finished=1, changes=()),)}
    assert chosen_hash(plan.model_copy(update=followed)) == plan.hash


FILE = """
name: toy
question: Why?
datasets: synthetic
defaults: {base: static}
arms: [{name: base, training: false}]
"""


def test_exclusions_are_read_from_the_sweep_file(tmp_path):
    (tmp_path / "toy.yaml").write_text(FILE + "exclusions: [Queries of one word., Runs that diverge.]\n")

    assert load_sweep(tmp_path / "toy.yaml").exclusions == ("Queries of one word.", "Runs that diverge.")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[' ']", "toy.yaml:7: exclusions[0] must be text that is not empty"),
        ("[3]", "toy.yaml:7: exclusions[0] must be text"),
        ("one", "toy.yaml:7: exclusions must be a list"),
    ],
)
def test_exclusions_that_are_no_sentences_are_refused(tmp_path, monkeypatch, value, message):
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(FILE + f"exclusions: {value}\n")

    with pytest.raises(ConfigError) as caught:
        load_sweep(Path("toy.yaml"))

    assert str(caught.value).startswith(message)
