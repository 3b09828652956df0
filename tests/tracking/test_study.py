"""Copies of a search in Optuna's storage: each trial once, whatever has been there before."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from search_folders import Bench, sweep

from harness.errors import StorageError
from harness.search.searching import Searching
from harness.spec import SweepSpec
from harness.study_file import StudyFile, Trial, read_study, study_of, write_study
from harness.tracking.study import StudyWriter
from harness.tracking.study_storage import LOCAL, StudyStorage

SHARE = '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}'


def told(share: float, **changed: object) -> Trial:
    given = {"state": "complete", "params": {"miner.share": share}, "values": (share / 2,), **changed}
    return Trial.model_validate({**given, "distributions": {"miner.share": SHARE}, "arm": f"tuned {share}"})


def study(*trials: Trial) -> StudyFile:
    return StudyFile(name="toy-1", directions=("maximize",), objectives=("dev ndcg_at_10",), trials=trials)


def sent(folder: Path, *trials: Trial, writer: StudyWriter | None = None) -> StudyWriter:
    write_study(folder, study(*trials))
    writer = writer or StudyWriter(folder, StudyStorage(LOCAL))
    writer.catch_up()
    return writer


def stored(folder: Path, name: str = "toy-1") -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=StudyStorage(LOCAL).open(folder)).trials


def shares(folder: Path) -> list[float]:
    return [trial.params["miner.share"] for trial in stored(folder)]


def searched(folder: Path, spec: SweepSpec) -> StudyFile:
    """Carry a search out and return what was heard of it."""
    assert spec.search is not None
    heard: list[Trial] = []
    Searching(spec, spec.search, folder, Bench(folder)._carry_out).carry_out(lambda _, trial: heard.append(trial))
    return study_of(spec, spec.search).model_copy(update={"trials": tuple(heard)})


def test_trials_arrive_with_state_range_values_and_runs(tmp_path):
    sent(
        tmp_path, told(0.6, runs=("aa", "bb")), told(0.7, state="pruned", values=()), told(0.8, state="fail", values=())
    )

    first, second, third = stored(tmp_path)

    assert [trial.state.name for trial in (first, second, third)] == ["COMPLETE", "PRUNED", "FAIL"]
    assert (first.values, second.values, third.values) == ([0.3], None, None)
    assert first.distributions == {"miner.share": optuna.distributions.FloatDistribution(0.5, 1.0)}
    assert (first.user_attrs["winnow.arm"], first.user_attrs["winnow.runs"]) == ("tuned 0.6", ["aa", "bb"])


def test_a_study_tells_the_names_and_directions_of_its_objectives(tmp_path):
    sent(tmp_path, told(0.6))

    [summary] = optuna.get_all_study_summaries(StudyStorage(LOCAL).open(tmp_path))

    assert (summary.study_name, [each.name for each in summary.directions]) == ("toy-1", ["MAXIMIZE"])
    assert optuna.load_study(study_name="toy-1", storage=StudyStorage(LOCAL).open(tmp_path)).metric_names == [
        "dev ndcg_at_10"
    ]


def test_sending_again_adds_what_is_new_and_nothing_else(tmp_path):
    sent(tmp_path, told(0.6), told(0.7))

    again = sent(tmp_path, told(0.6), told(0.7), told(0.8))
    again.catch_up()

    assert shares(tmp_path) == [0.6, 0.7, 0.8]
    assert again.sent == 1


def test_one_writer_goes_on_from_where_it_is(tmp_path):
    writer = sent(tmp_path, told(0.6))

    sent(tmp_path, told(0.6), told(0.7), writer=writer)

    assert shares(tmp_path) == [0.6, 0.7]
    assert writer.sent == 2


def test_a_storage_that_is_ahead_of_a_search_that_is_replayed_is_left_alone(tmp_path):
    sent(tmp_path, told(0.6), told(0.7), told(0.8))

    replayed = sent(tmp_path, told(0.6))

    assert shares(tmp_path) == [0.6, 0.7, 0.8]
    assert replayed.sent == 0


def test_a_point_that_failed_and_then_finished_is_there_once(tmp_path):
    sent(tmp_path, told(0.6, state="fail", values=()), told(0.7))

    sent(tmp_path, told(0.6), told(0.7))

    assert [(trial.number, trial.state.name) for trial in stored(tmp_path)] == [(0, "COMPLETE"), (1, "COMPLETE")]


def test_a_trial_that_optuna_added_twice_after_an_error_ends_up_there_once(tmp_path, monkeypatch):
    create = RDBStorage.create_new_trial

    def repeated(storage: RDBStorage, study_id: int, template_trial: optuna.trial.FrozenTrial | None = None) -> int:
        create(storage, study_id, template_trial)
        return create(storage, study_id, template_trial)

    writer = StudyWriter(tmp_path, StudyStorage(LOCAL))
    monkeypatch.setattr(RDBStorage, "create_new_trial", repeated)
    with pytest.raises(StorageError, match="took trial 0 for number 1"):
        sent(tmp_path, told(0.6), told(0.7), writer=writer)

    monkeypatch.setattr(RDBStorage, "create_new_trial", create)
    writer.catch_up()

    assert shares(tmp_path) == [0.6, 0.7]


def test_an_error_in_the_middle_leaves_nothing_double(tmp_path, monkeypatch):
    create = RDBStorage.create_new_trial

    def dies(storage: RDBStorage, study_id: int, template_trial: optuna.trial.FrozenTrial | None = None) -> int:
        create(storage, study_id, template_trial)  # carried out, and never answered
        raise ConnectionError

    writer = sent(tmp_path, told(0.6))
    monkeypatch.setattr(RDBStorage, "create_new_trial", dies)
    with pytest.raises(ConnectionError):
        sent(tmp_path, told(0.6), told(0.7), writer=writer)

    monkeypatch.setattr(RDBStorage, "create_new_trial", create)
    sent(tmp_path, told(0.6), told(0.7), told(0.8), writer=writer)

    assert shares(tmp_path) == [0.6, 0.7, 0.8]


def test_a_study_of_the_same_name_that_is_not_ours_is_left_as_it_is(tmp_path):
    theirs = optuna.create_study(study_name="toy-1", storage=StudyStorage(LOCAL).open(tmp_path), direction="maximize")
    theirs.add_trial(optuna.trial.create_trial(value=1.0))

    with pytest.raises(StorageError, match="another study named toy-1"):
        sent(tmp_path, told(0.6))

    assert [trial.value for trial in stored(tmp_path)] == [1.0]
    assert "winnow.study" not in theirs.user_attrs


def test_without_a_study_nothing_is_made(tmp_path):
    StudyWriter(tmp_path, StudyStorage(LOCAL)).catch_up()

    assert list(tmp_path.iterdir()) == []


# What is heard of a search


@pytest.mark.parametrize("search", [{}, {"sampler": "gp"}, {"sampler": "nsga2", "minimise": "contamination"}])
def test_a_search_that_was_cut_off_and_replayed_is_heard_of_alike(tmp_path, search):
    trials = {} if search.get("sampler") == "nsga2" else {"trials": 3}
    whole = searched(tmp_path / "whole", sweep(**{"trials": 6, **search}))
    searched(tmp_path / "cut", sweep(**{"trials": 6, **search, **trials}))

    assert searched(tmp_path / "cut", sweep(**{"trials": 6, **search})) == whole
    assert [len(trial.values) for trial in whole.trials] == [2 if "minimise" in search else 1] * 6


def test_what_is_heard_of_a_point_is_what_the_sampler_was_told(tmp_path):
    [trial] = searched(tmp_path, sweep(trials=1)).trials

    assert trial.state == "complete"
    assert trial.values == pytest.approx([trial.params["miner.share"]], abs=0.01)
    assert optuna.distributions.json_to_distribution(
        trial.distributions["miner.share"]
    ) == optuna.distributions.FloatDistribution(0.5, 1.0)
    assert len(trial.runs) == 2
    assert trial.arm.startswith("tuned #0 ")


def test_a_failed_point_is_heard_of_as_failed(tmp_path):
    spec = sweep(trials=1)
    heard: list[Trial] = []
    bench = Bench(tmp_path, fails=lambda run: run.seed == 1)

    Searching(spec, spec.search, tmp_path, bench._carry_out).carry_out(lambda _, trial: heard.append(trial))

    assert [(trial.state, trial.values) for trial in heard] == [("fail", ())]


def test_a_point_that_was_given_up_is_heard_of_with_the_runs_it_had(tmp_path):
    spec = sweep(seeds=range(6), trials=8, prune={"block": 2})
    heard = searched(tmp_path, spec).trials

    pruned = [trial for trial in heard if trial.state == "pruned"]

    assert pruned
    assert all(0 < len(trial.runs) < 6 and trial.values == () for trial in pruned)


def test_the_points_of_a_list_are_no_search_and_not_heard_of(tmp_path):
    from harness.sweep_files import read_points

    spec = sweep(trials=2)
    searched(tmp_path, spec)
    heard: list[Trial] = []

    listed = Searching(spec, spec.search, tmp_path, Bench(tmp_path)._carry_out, read_points(tmp_path))
    listed.carry_out(lambda _, trial: heard.append(trial))

    assert heard == []


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [({"trials": 9}, True), ({"budget": {"runs": 4}}, True), ({"seed": 1}, False), ({"seeds": (0,)}, False)],
)
def test_more_trials_go_on_in_a_study_and_another_search_is_another_study(changed, is_same):
    first, second = sweep(), sweep(**changed)

    assert (study_of(first, first.search).name == study_of(second, second.search).name) is is_same


def test_a_study_file_reads_back_and_a_damaged_one_is_named(tmp_path):
    write_study(tmp_path, study(told(0.6)))
    back = read_study(tmp_path)
    (tmp_path / "study.json").write_text('{"name": 1}')

    assert back == study(told(0.6))
    with pytest.raises(StorageError, match=r"study\.json is no study"):
        read_study(tmp_path)
