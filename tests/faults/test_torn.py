"""The two files that a sweep appends to, with torn, glued and zeroed lines, before the same command comes again."""

import json
from pathlib import Path

import pytest
from inline import ONE_RUN, carried_out, copied, kept

from harness.listeners import Bystander
from harness.sweep_files import read_plan
from harness.tracking import Destination
from harness.tracking.outbox import NAME, entries_after, write_position
from harness.tracking.process import MirrorProcess

HARMS = {
    "half a line": lambda lines: [*lines, lines[-1][: len(lines[-1]) // 2]],
    "half a line in the middle": lambda lines: [lines[0][: len(lines[0]) // 2], b"\n", *lines],
    "zeros": lambda lines: [*lines, b"\0" * 512],
    "a line of zeros": lambda lines: [b"\0" * 80 + b"\n", *lines],
    "glued lines": lambda lines: [lines[0].rstrip(), *lines],
    "only zeros": lambda lines: [b"\0" * sum(map(len, lines))],
}


@pytest.fixture(scope="module")
def mirrored(trained, tmp_path_factory) -> Path:
    """A finished sweep of one run whose outbox was sent in part."""
    folder = copied(trained, tmp_path_factory.mktemp("mirrored") / "copy")
    with pytest.MonkeyPatch.context() as monkeypatch:
        tracked(folder, monkeypatch)
    return folder


def tracked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry the sweep out with an outbox that nothing sends."""
    monkeypatch.setattr(MirrorProcess, "__init__", lambda *_: None)
    monkeypatch.setattr(MirrorProcess, "end", lambda *_: None)
    bystander = Bystander(Destination(folder / "results"))
    carried_out(folder, monkeypatch, minutes=5, listener=bystander, **ONE_RUN)
    bystander.finish("It survives.", ())


def entries(folder: Path) -> list[tuple[str, str]]:
    return [(entry.kind, entry.run) for entry, _ in entries_after(folder / "results/toy", 0)]


@pytest.mark.parametrize("harm", list(HARMS))
def test_a_sweep_goes_on_from_a_damaged_ledger(tmp_path, monkeypatch, trained, harm):
    folder = copied(trained, tmp_path / "copy")
    path = folder / "results/toy/ledger.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(HARMS[harm](whole.splitlines(keepends=True))))

    outcome = carried_out(folder, monkeypatch, minutes=5, **ONE_RUN)
    run = next((folder / "results/toy/runs").iterdir())
    content = path.read_bytes()
    listed = [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]

    assert outcome.failed == 0
    assert kept(folder) == kept(trained)
    assert [(line["fingerprint"], line["status"], line["attempt"]) for line in listed] == [(run.name, "finished", 1)]


@pytest.mark.parametrize("harm", list(HARMS))
def test_a_sweep_goes_on_from_a_damaged_outbox_and_everything_is_in_it(tmp_path, monkeypatch, mirrored, harm):
    folder = copied(mirrored, tmp_path / "copy")
    path = folder / "results/toy" / NAME
    run = read_plan(folder / "results/toy").runs[0].fingerprint
    lines = path.read_bytes().splitlines(keepends=True)
    write_position(folder / "results/toy", "mlflow.db", len(lines[0]))
    path.write_bytes(b"".join(HARMS[harm](lines)))

    tracked(folder, monkeypatch)

    assert kept(folder) == kept(mirrored)
    found = entries(folder)
    assert found.count(("finished", run)) == 1
    assert found[0] == ("planned", "")
    assert found[-1] == ("reported", "")
