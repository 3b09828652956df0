"""A sweep whose runs share a training is killed at a named place; afterwards its tables do not tell."""

from pathlib import Path
from pkgutil import resolve_name

import pytest
from inline import carried_out, kept

from harness.record import RunRecord, read_record
from harness.sums import differing

TWINS = {
    "search": None,
    "seeds": 1,
    "arms": [
        {"name": "naive", "miner": "topk"},
        {"name": "twin", "miner": {"name": "topk_percpos", "share": 1.1}},
        {"name": "triplet", "miner": "topk", "on_shortage": "keep"},
    ],
}
"""Changes to the small sweep that leave three arms with the same negatives."""

PLACES = {
    "before the training is claimed": ("harness.shared_training.write_file", False),
    "after the training is claimed": ("harness.shared_training.write_file", True),
    "while training": ("harness.training.checkpoints.Checkpoints.write", True),
    "while evaluating": ("harness.pipeline.evaluate_run", False),
    "before the result is renamed": ("harness.record.put_in_place", False),
    "after the result is written": ("harness.pipeline.write_record", True),
    "before what another trained is taken": ("harness.shared_training.intact_contents", False),
    "after what another trained is taken": ("harness.shared_training.Source.lend", True),
}
ONCE = {"before the training is claimed", "after the training is claimed", "while evaluating"}
"""Places that a sweep passes once, since it trains once."""


class _Killed(BaseException):
    """Stands in for SIGKILL: nothing in the harness catches it."""


def records(folder: Path) -> list[RunRecord]:
    return [read_record(path.parent) for path in sorted((folder / "results/toy/runs").glob("*/record.json"))]


def strike(monkeypatch, where: str, call: int, *, after: bool) -> None:
    """Have the `call`-th call of a function kill, before or after its work."""
    original, calls = resolve_name(where), []

    def struck(*given: object, **named: object) -> object:
        calls.append(None)
        if len(calls) == call and not after:
            raise _Killed
        result = original(*given, **named)
        if len(calls) == call:
            raise _Killed
        return result

    monkeypatch.setattr(where, struck)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert carried_out(folder, monkeypatch, **TWINS).failed == 0
    assert [bool(record.shared_with) for record in records(folder)].count(True) == 2
    return kept(folder)


@pytest.mark.parametrize(
    ("place", "call"), [(place, call) for place in PLACES for call in (1, 2) if not (call == 2 and place in ONCE)]
)
def test_a_sweep_that_shares_and_is_killed_ends_as_if_it_had_not_been(undisturbed, tmp_path, place, call):
    where, after = PLACES[place]
    with pytest.MonkeyPatch.context() as trap:
        strike(trap, where, call, after=after)
        with pytest.raises(_Killed):
            carried_out(tmp_path, trap, **TWINS)

    with pytest.MonkeyPatch.context() as monkeypatch:
        outcome = carried_out(tmp_path, monkeypatch, **TWINS)

    assert outcome.failed == 0
    assert kept(tmp_path) == undisturbed
    found = {record.fingerprint: record for record in records(tmp_path)}
    assert not any(differing(tmp_path / "results/toy/runs" / name) for name in found)
    (source,) = {record.shared_with for record in found.values() if record.shared_with}
    assert found[source].shared_with == ""
