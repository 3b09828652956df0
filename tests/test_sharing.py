"""A sweep that is shared: who may carry it out, and what happens when the place fails in between."""

import json

import pytest
from shaky_storage import ShakyStorage, fresh
from test_remote_results import FIRST, SECOND, files, plan, ran

from harness.errors import ConfigError
from harness.remote import owner as owners
from harness.remote import storage
from harness.remote.owner import owning
from harness.remote.sharing import sharing
from harness.remote.storage import RemoteError

OWNER = "results/toy/owner.json"


@pytest.fixture
def place(monkeypatch):
    return fresh(monkeypatch)


def down(operation, path):
    raise OSError("down")


def at_the_second_look(monkeypatch, act):
    """Have something happen while a process waits between its two looks."""
    monkeypatch.setattr(owners, "_LOOK_SECONDS", 9.0)
    monkeypatch.setattr(owners.time, "sleep", lambda seconds: act() if seconds == 9.0 else None)


def owner(place, **changes):
    content = {"host": "far", "pid": 7, "token": "t", "beat": 0, **changes}
    place.write(OWNER, json.dumps(content).encode())


def test_a_sweep_has_an_owner_while_it_is_carried_out(place):
    with owning(place, "results/toy") as owned:
        there = json.loads(ShakyStorage.content(OWNER))
        owned.beat()
        later = json.loads(ShakyStorage.content(OWNER))

    assert set(there) == {"host", "pid", "token", "beat"}
    assert later == {**there, "beat": there["beat"] + 1}
    assert ShakyStorage.files() == []


def test_an_owner_whose_beat_goes_on_is_left_its_sweep(place, monkeypatch):
    owner(place)
    at_the_second_look(monkeypatch, lambda: owner(place, beat=1))

    with pytest.raises(ConfigError, match="process 7 on far is carrying out the sweep"), owning(place, "results/toy"):
        pass

    assert json.loads(ShakyStorage.content(OWNER))["host"] == "far"


def test_an_owner_whose_beat_stands_still_is_succeeded(place, monkeypatch, caplog):
    owner(place)
    looked = []
    at_the_second_look(monkeypatch, lambda: looked.append(1))

    with owning(place, "results/toy") as owned:
        assert owned.holds()

    assert looked == [1]
    assert "process 7 on far has not said that it ended" in caplog.text


def test_an_owner_that_ends_meanwhile_is_succeeded(place, monkeypatch):
    owner(place)
    at_the_second_look(monkeypatch, lambda: place.delete(OWNER))

    with owning(place, "results/toy") as owned:
        assert owned.holds()


def test_of_two_that_claim_at_once_the_last_to_write_has_it(place, monkeypatch):
    monkeypatch.setattr(owners, "_SETTLE_SECONDS", 3.0)
    monkeypatch.setattr(owners.time, "sleep", lambda seconds: owner(place) if seconds == 3.0 else None)

    with pytest.raises(ConfigError, match="process 7 on far"), owning(place, "results/toy"):
        pass

    assert json.loads(ShakyStorage.content(OWNER))["host"] == "far"


def test_who_lost_a_sweep_neither_beats_nor_releases_it(place):
    with owning(place, "results/toy") as owned:
        owner(place, beat=3)
        owned.beat()
        assert not owned.holds()

    assert json.loads(ShakyStorage.content(OWNER)) == {"host": "far", "pid": 7, "token": "t", "beat": 3}


def test_the_beat_goes_on_by_itself_and_ends_with_the_sweep(place, monkeypatch):
    monkeypatch.setattr(owners, "_BEAT_SECONDS", 0.01)
    with owning(place, "results/toy"):
        for _ in range(500):
            if json.loads(ShakyStorage.content(OWNER))["beat"] > 1:
                break
            owners.time.sleep(0.01)
        else:
            pytest.fail("no beat")

    assert ShakyStorage.files() == []


def test_the_beat_survives_an_outage(place, monkeypatch):
    with owning(place, "results/toy") as owned:
        ShakyStorage.set_refusal(down)
        with pytest.raises(RemoteError):
            owned.beat()
        ShakyStorage.set_refusal()
        owned.beat()

        assert json.loads(ShakyStorage.content(OWNER))["beat"] == 1


def carried_out(place, folder, *, before=lambda: None, between=lambda: None):
    """Carry out two runs of a shared sweep; return how much could not be put."""
    with sharing(place, folder.parent / ".store", folder) as shared:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plan.json").write_bytes(b"plan")
        shared.planned()
        before()
        ran(folder, 0)
        shared.run_ended(FIRST)
        between()
        ran(folder, 1)
        shared.run_ended(SECOND)
        return shared.finish()


def test_runs_are_put_as_they_end_and_the_plan_before_the_first(place, tmp_path):
    seen = []

    unsent = carried_out(
        place,
        tmp_path / "toy",
        before=lambda: seen.append(ShakyStorage.files()),
        between=lambda: seen.append(ShakyStorage.files()),
    )

    first = [f"results/toy/runs/{FIRST}/{name}" for name in ("SHA256SUMS", "per_query.parquet", "record.json")]
    assert seen[0] == [OWNER, "results/toy/plan.json"]
    assert seen[1] == sorted(["results/toy/ledger.jsonl", OWNER, "results/toy/plan.json", *first])
    assert unsent == 0
    assert OWNER not in ShakyStorage.files()


def test_an_outage_in_between_is_caught_up_with_at_the_end(place, tmp_path):
    real = ShakyStorage.set_refusal

    def carried(folder):
        with sharing(place, folder.parent / ".store", folder) as shared:
            shared.planned()
            real(down)
            ran(folder, 0)
            shared.run_ended(FIRST)
            nothing = ShakyStorage.files()
            real()
            return nothing, shared.finish()

    nothing, unsent = carried(tmp_path / "toy")

    assert (nothing, unsent) == ([OWNER], 0)
    assert ShakyStorage.content("results/toy/ledger.jsonl") == (tmp_path / "toy/ledger.jsonl").read_bytes()


def test_the_end_does_not_wait_for_a_place_to_have_rested(place, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_REST_SECONDS", 60.0)
    with sharing(place, tmp_path / ".store", tmp_path / "toy") as shared:
        ran(tmp_path / "toy")
        ShakyStorage.set_refusal(down)
        shared.run_ended(FIRST)
        ShakyStorage.set_refusal()

        assert shared.finish() == 0
    assert f"results/toy/runs/{FIRST}/record.json" in ShakyStorage.files()


def test_a_plan_amended_elsewhere_while_the_place_was_down_is_left_for_the_next_call(place, tmp_path, caplog):
    ShakyStorage.set_refusal(down)
    with sharing(place, tmp_path / ".store", tmp_path / "toy") as shared:
        ran(tmp_path / "toy")
        (tmp_path / "toy/plan.json").write_bytes(plan("a"))
        ShakyStorage.set_refusal()
        place.write("results/toy/plan.json", plan("a", "b"))

        assert shared.finish() == 1
    first = (tmp_path / "toy/plan.json").read_bytes()
    with sharing(place, tmp_path / ".store", tmp_path / "toy") as shared:
        assert shared.finish() == 0

    assert (first, (tmp_path / "toy/plan.json").read_bytes()) == (plan("a"), plan("a", "b"))
    assert "amends the plan that was carried out here" in caplog.text


def test_a_place_that_is_down_throughout_leaves_all_here_and_is_caught_up_with_by_the_next_call(place, tmp_path):
    ShakyStorage.set_refusal(down)
    unsent = carried_out(place, tmp_path / "one/toy")
    ShakyStorage.set_refusal()
    again = carried_out(place, tmp_path / "one/toy")

    with sharing(place, tmp_path / "two/.store", tmp_path / "two/toy") as shared:
        assert shared.finish() == 0

    assert (unsent > 0, again) == (True, 0)
    assert files(tmp_path / "two/toy") == files(tmp_path / "one/toy")


def test_a_place_that_comes_back_during_the_sweep_is_joined_at_its_end(place, tmp_path):
    ShakyStorage.set_refusal(down)

    assert carried_out(place, tmp_path / "toy", between=ShakyStorage.set_refusal) == 0
    assert f"results/toy/runs/{FIRST}/record.json" in ShakyStorage.files()


@pytest.mark.parametrize(("outages", "brought"), [(3, True), (4, False)])
def test_what_is_there_is_asked_for_several_times_before_it_is_gone_without(place, tmp_path, outages, brought):
    ran(tmp_path / "one/toy")
    with sharing(place, tmp_path / "one/.store", tmp_path / "one/toy") as shared:
        shared.finish()
    ShakyStorage.calls.clear()

    def refuse(operation, path):
        if path.endswith("record.json") and ShakyStorage.calls.count((operation, path)) <= outages:
            raise PermissionError("not now")

    ShakyStorage.set_refusal(refuse)
    with sharing(place, tmp_path / "two/.store", tmp_path / "two/toy"):
        assert (tmp_path / "two/toy/runs" / FIRST).exists() == brought


def test_a_sweep_that_was_taken_over_puts_nothing_more_and_says_so(place, tmp_path, caplog):
    unsent = carried_out(place, tmp_path / "toy", between=lambda: owner(place))

    assert unsent == 1
    assert not [name for name in ShakyStorage.files() if SECOND in name]
    assert json.loads(ShakyStorage.content(OWNER))["host"] == "far"
    assert caplog.text.count("was taken over") == 1


def test_a_sweep_that_another_carries_out_is_not_begun(place, tmp_path, monkeypatch):
    owner(place)
    at_the_second_look(monkeypatch, lambda: owner(place, beat=1))

    with pytest.raises(ConfigError, match="one at a time"):
        carried_out(place, tmp_path / "toy")


def test_a_sweep_carried_out_while_the_place_was_down_and_elsewhere_too_is_told_of_at_its_end(place, tmp_path, caplog):
    ShakyStorage.set_refusal(down)

    def meanwhile():
        ShakyStorage.set_refusal()
        ran(tmp_path / "two/toy", 0, seconds=2.0)
        with sharing(place, tmp_path / "two/.store", tmp_path / "two/toy") as shared:
            assert shared.finish() == 0

    assert carried_out(place, tmp_path / "one/toy", between=meanwhile) == 1
    assert "carried out twice" in caplog.text
    assert not [name for name in ShakyStorage.files() if SECOND in name]


def test_a_sweep_that_is_not_shared_asks_nothing(place, tmp_path):
    assert carried_out(None, tmp_path / "toy") == 0
    assert ShakyStorage.calls == []
