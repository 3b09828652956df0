import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from toy_sweep import ARMS, arm, failed, plan_of, record, records, spec

from harness.errors import StorageError
from harness.record import Stopping
from harness.spec import SweepPlan
from harness.tracking import Mirror, Summary, rebuild
from harness.tracking.destination import ARTEFACTS, DATABASE, Destination
from harness.tracking.entries import run_metrics
from harness.tracking.store import Batch, Store


def stored(root: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{root / DATABASE}")
    experiments = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(experiments, run_view_type=ViewType.ACTIVE_ONLY))


def at(root: Path, level: str) -> dict[str, Run]:
    return {run.info.run_name: run for run in stored(root) if run.data.tags["winnow.level"] == level}


def mirror_all(root: Path, plan: SweepPlan, **options: object) -> None:
    with Mirror(Destination(root), **options) as mirror:  # type: ignore[arg-type]
        mirror.open_sweep(plan)
        for planned, one in zip(plan.runs, records(plan), strict=True):
            mirror.add_run(one, planned)
        mirror.close_sweep(Summary("Percpos wins.", "| arm |"))


def test_what_the_store_holds_equals_the_records(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)

    runs = at(root, "run")

    assert sorted(runs) == ["percpos 0.95, seed 0", "percpos 0.95, seed 1", "untrained, seed 0", "untrained, seed 1"]
    for planned, one in zip(plan.runs, records(plan), strict=True):
        run = runs[f"{planned.arm}, seed {planned.seed}"]
        loss = {"train/loss": one.losses[-1]} if one.losses else {}
        assert run.data.metrics == run_metrics(one) | loss
        assert run.data.params["seed"] == str(planned.seed)
        assert run.data.tags["winnow.fingerprint"] == one.fingerprint
        assert run.info.status == "FINISHED"
        assert run.info.end_time - run.info.start_time == pytest.approx(2500, abs=2)


def test_the_training_loss_is_a_history_by_step(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)
    run = at(root, "run")["percpos 0.95, seed 0"].info.run_id

    history = MlflowClient(f"sqlite:///{root / DATABASE}").get_metric_history(run, "train/loss")

    assert [(point.step, point.value) for point in history] == [(1, 3.0), (2, 2.0), (3, 1.5)]


def test_seeds_stand_below_arms_and_arms_below_the_sweep(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)
    sweep, arms, runs = (at(root, level) for level in ("sweep", "arm", "run"))

    assert list(sweep) == ["toy-sweep (sweep)"]
    parent = sweep["toy-sweep (sweep)"].info.run_id
    assert {one.data.tags["mlflow.parentRunId"] for one in arms.values()} == {parent}
    child = runs["untrained, seed 1"]
    assert child.data.tags["mlflow.parentRunId"] == arms["untrained"].info.run_id


def test_an_arm_sums_up_its_seeds_and_has_params_to_compare(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)

    one = at(root, "arm")["percpos 0.95"]

    assert one.data.metrics["test/ndcg_at_10"] == 0.55
    assert one.data.metrics["test/ndcg_at_10_sd"] == 0.070711
    assert one.data.metrics["runs/finished"] == 2.0
    assert one.data.params["miner.share"] == "0.95"
    assert one.info.status == "FINISHED"


def test_answer_and_view_stand_above_the_runs(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)
    experiment = MlflowClient(f"sqlite:///{root / DATABASE}").get_experiment_by_name("toy-sweep")

    assert experiment is not None
    assert experiment.tags["mlflow.note.content"].startswith("**Answer.** Percpos wins.")
    assert "winnow.level" in experiment.tags["mlflow.sharedViewState.winnow-arms"]
    assert "Percpos wins." in at(root, "sweep")["toy-sweep (sweep)"].data.tags["mlflow.note.content"]


def test_mirroring_twice_changes_nothing(root: Path, results: Path) -> None:
    rebuild(Destination(root), results)
    before = {run.info.run_id: (run.data.metrics, run.info.status) for run in stored(root)}

    count = rebuild(Destination(root), results)

    assert count == 4
    assert {run.info.run_id: (run.data.metrics, run.info.status) for run in stored(root)} == before
    client = MlflowClient(f"sqlite:///{root / DATABASE}")
    arm_run = at(root, "arm")["percpos 0.95"].info.run_id
    assert len(client.get_metric_history(arm_run, "test/ndcg_at_10")) == 1


def test_a_live_mirror_and_a_rebuild_agree(root: Path, plan: SweepPlan, results: Path) -> None:
    mirror_all(root, plan)
    live = {run.info.run_id for run in stored(root)}

    rebuild(Destination(root), results)

    assert {run.info.run_id for run in stored(root)} == live


def test_a_failed_run_says_why_and_gives_way_once_it_finishes(root: Path, plan: SweepPlan) -> None:
    first = spec(ARMS[0], 0)
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(failed(first), plan.runs[0])
        mirror.add_run(record(spec(ARMS[0], 1)), plan.runs[1])
        mirror.close_sweep()
    broken = at(root, "run")["percpos 0.95, seed 0"]
    assert broken.info.status == "FAILED"
    assert broken.data.tags["winnow.error"] == "NumericError: loss became NaN"
    assert at(root, "arm")["percpos 0.95"].data.metrics["runs/failed"] == 1.0

    mirror_all(root, plan)

    runs = [run for run in stored(root) if run.info.run_name == "percpos 0.95, seed 0"]
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert "winnow.error" not in runs[0].data.tags
    kept = list((root / ARTEFACTS / "toy-sweep").iterdir())
    assert len(kept) == len(at(root, "run"))  # what was replaced left no artefacts
    assert at(root, "arm")["percpos 0.95"].data.metrics["runs/failed"] == 0.0
    assert at(root, "arm")["percpos 0.95"].data.metrics["test/ndcg_at_10"] == 0.55


def test_a_run_tried_again_in_the_same_sweep_counts_once(root: Path, plan: SweepPlan) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(failed(spec(ARMS[0], 0)), plan.runs[0])
        mirror.add_run(record(spec(ARMS[0], 0)), plan.runs[0])
        mirror.close_sweep()

    metrics = at(root, "sweep")["toy-sweep (sweep)"].data.metrics
    assert metrics == {"runs/finished": 1.0, "runs/failed": 0.0}


def test_an_arm_without_a_finished_run_is_failed(root: Path, plan: SweepPlan) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(failed(spec(ARMS[0], 0)), plan.runs[0])
        mirror.add_run(record(spec(ARMS[1], 0)), plan.runs[2])
        mirror.close_sweep()

    assert at(root, "arm")["percpos 0.95"].info.status == "FAILED"
    assert at(root, "sweep")["toy-sweep (sweep)"].info.status == "FINISHED"


def test_an_amended_plan_continues_the_run_and_another_plan_begins_its_own(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)

    mirror_all(root, plan_of(hash_="2" * 64, amends=("1" * 64,)))
    assert len([run for run in stored(root) if run.data.tags["winnow.level"] == "sweep"]) == 1

    mirror_all(root, plan_of(hash_="3" * 64))
    assert len([run for run in stored(root) if run.data.tags["winnow.level"] == "sweep"]) == 2


def test_an_arm_redefined_under_its_old_name_is_replaced(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)

    mirror_all(root, plan_of((arm("percpos 0.95", share=0.9), ARMS[1]), "2" * 64, ("1" * 64,)))

    assert at(root, "arm")["percpos 0.95"].data.params["miner.share"] == "0.9"
    assert len(stored(root)) == 7


def test_an_interrupted_sweep_is_killed_and_goes_on_where_it_was(root: Path, plan: SweepPlan) -> None:
    def interrupted() -> None:
        with Mirror(Destination(root)) as mirror:
            mirror.open_sweep(plan)
            mirror.add_run(records(plan)[0], plan.runs[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert at(root, "sweep")["toy-sweep (sweep)"].info.status == "KILLED"
    assert at(root, "arm")["percpos 0.95"].info.status == "KILLED"

    mirror_all(root, plan)

    assert {run.info.status for run in stored(root)} == {"FINISHED"}
    assert len(stored(root)) == 7


def test_what_a_dead_process_left_running_is_ended_when_any_sweep_opens(root: Path, plan: SweepPlan) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store = Store(Destination(root))
    other = store.experiment("other-sweep")
    left = store.create(other, "left behind", {"winnow.level": "sweep"}, started=0.0)
    alive = store.create(other, "alive", {"winnow.level": "sweep"}, started=0.0)
    client = MlflowClient(f"sqlite:///{root / DATABASE}")
    host = client.get_run(left).data.tags["winnow.process"].rpartition(":")[0]
    client.set_tag(left, "winnow.process", f"{host}:{dead.pid}")

    mirror_all(root, plan)

    assert client.get_run(left).info.status == "KILLED"
    assert client.get_run(alive).info.status == "RUNNING"


def test_a_run_cut_short_while_being_mirrored_is_mirrored_again(
    root: Path, plan: SweepPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        patch.setattr(Store, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mirror.add_run(records(plan)[0], plan.runs[0])

    mirror_all(root, plan)

    run = at(root, "run")["percpos 0.95, seed 0"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/ndcg_at_10"] == 0.5


def test_doubles_that_a_slow_server_made_are_taken_away_and_the_whole_one_stays(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)
    before = {run.info.run_id for run in stored(root)}
    client = MlflowClient(f"sqlite:///{root / DATABASE}")
    for run in stored(root):
        tags = {name: value for name, value in run.data.tags.items() if name.startswith(("winnow.", "mlflow.parent"))}
        client.create_run(run.info.experiment_id, int(1e12), tags, "late")

    mirror_all(root, plan)

    assert {run.info.run_id for run in stored(root)} == before
    assert at(root, "sweep")["toy-sweep (sweep)"].info.status == "FINISHED"


def test_an_arm_is_summed_up_as_soon_as_its_seeds_are_there(root: Path, plan: SweepPlan) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(records(plan)[0], plan.runs[0])
        assert at(root, "arm")["percpos 0.95"].info.status == "RUNNING"

        mirror.add_run(records(plan)[1], plan.runs[1])

        one = at(root, "arm")["percpos 0.95"]
        assert one.info.status == "FINISHED"
        assert one.data.metrics["test/ndcg_at_10"] == 0.55


def test_the_dataset_of_a_run_has_our_digest(root: Path, plan: SweepPlan) -> None:
    mirror_all(root, plan)

    run = at(root, "run")["percpos 0.95, seed 0"]

    assert run.data.tags["winnow.dataset_digest"] == "d" * 64
    used = run.inputs.dataset_inputs[0].dataset
    assert (used.name, used.digest) == ("toy", "d" * 36)


def test_early_stopping_is_a_history_of_the_dev_metric_by_step(root: Path, plan: SweepPlan) -> None:
    stopping = Stopping(steps=(10, 20), values=(0.25, 0.5), best_step=20)
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(records(plan)[0].model_copy(update={"stopping": stopping}), plan.runs[0])
        mirror.close_sweep()

    run = at(root, "run")["percpos 0.95, seed 0"]
    history = MlflowClient(f"sqlite:///{root / DATABASE}").get_metric_history(run.info.run_id, "train/dev_metric")
    assert [(point.step, point.value) for point in history] == [(10, 0.25), (20, 0.5)]
    assert run.data.metrics["train/best_step"] == 20.0


def test_a_batch_beyond_what_mlflow_takes_is_divided(root: Path) -> None:
    store = Store(Destination(root))
    run = store.create(store.experiment("large"), "large", {"winnow.level": "run"}, started=0.0)
    history = {"loss": [(step, float(step)) for step in range(1700)]}
    names = [f"name{number}" for number in range(205)]

    store.log(run, Batch(params=dict.fromkeys(names, "x"), tags=dict.fromkeys(names, "y"), history=history), at=0.0)

    client = MlflowClient(f"sqlite:///{root / DATABASE}")
    found = client.get_run(run).data
    assert len(client.get_metric_history(run, "loss")) == 1700
    assert len(found.params) == 205
    assert sum(name.startswith("name") for name in found.tags) == 205


def test_a_rebuild_that_cannot_write_says_so(tmp_path: Path, results: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database, but long enough to be taken for a file with a header" * 20)

    with pytest.raises(StorageError, match="cannot mirror into"):
        rebuild(Destination(tmp_path), results)


def test_artefacts_lie_below_the_root_and_nowhere_absolute_in_the_store(root: Path, plan: SweepPlan) -> None:
    report = root / "report.pdf"
    report.write_bytes(b"%PDF")

    with Mirror(Destination(root), figure=lambda _: b"PNG") as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(records(plan)[0], plan.runs[0])
        mirror.close_sweep(Summary(files=(report,)))

    uri = at(root, "run")["percpos 0.95, seed 0"].info.artifact_uri
    assert uri.startswith("mlflow-artifacts:/toy-sweep/")
    folder = root / ARTEFACTS / uri.removeprefix("mlflow-artifacts:/")
    assert sorted(path.name for path in folder.iterdir()) == ["record.json", "score_distribution.png"]
    assert (folder / "score_distribution.png").read_bytes() == b"PNG"
    parent = at(root, "sweep")["toy-sweep (sweep)"].info.artifact_uri.removeprefix("mlflow-artifacts:/")
    assert (root / ARTEFACTS / parent / "report" / "report.pdf").read_bytes() == b"%PDF"


def test_figures_are_drawn_only_for_runs_that_are_new(root: Path, plan: SweepPlan) -> None:
    drawn: list[str] = []

    for _ in range(2):
        mirror_all(root, plan, figure=lambda one: drawn.append(one.fingerprint))

    assert drawn == [plan.runs[0].fingerprint, plan.runs[1].fingerprint]


def test_a_run_and_its_arm_are_a_batch_each(root: Path, plan: SweepPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(records(plan)[0], plan.runs[0])
        batches = []
        log_batch = MlflowClient.log_batch

        def counted(self: MlflowClient, run: str, **content: object) -> object:
            batches.append(run)
            return log_batch(self, run, **content)

        monkeypatch.setattr(MlflowClient, "log_batch", counted)
        mirror.add_run(records(plan)[1], plan.runs[1])

        assert len(batches) == len(set(batches)) == 2  # the run, and the arm that it completes


def test_importing_the_package_does_not_import_mlflow() -> None:
    code = "import sys, harness.tracking; sys.exit('mlflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
