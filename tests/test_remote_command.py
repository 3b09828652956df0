"""`winnow sweep --remote`: where the place is taken from, and what the exit code says."""

from types import SimpleNamespace

import pytest
from shaky_storage import fresh

import harness.reporting.report
import harness.sweep
from harness.cli import main
from harness.remote.storage import VARIABLE
from harness.sweep import Outcome

SWEEP = """
name: toy
question: "?"
datasets: {name: synthetic}
arms: [{name: naive, base: static, teacher: bm25, miner: topk}]
"""


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """Stand in for a sweep and its report; return what was asked for, and what is to come of it."""
    fresh(monkeypatch)
    (tmp_path / "toy.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    heard = SimpleNamespace(remote=None, failed=0, unsent=0)

    def carry_out(spec, settings, listener, points):
        heard.remote = settings.remote
        return Outcome(tmp_path, None, heard.failed, unsent=heard.unsent)

    monkeypatch.setattr(harness.sweep, "carry_out", carry_out)
    paths = SimpleNamespace(terminal="table", pdf="report.pdf", answer="", files=())
    monkeypatch.setattr(harness.reporting.report, "write_report", lambda folder, reports: paths)
    return heard


def sweep(*more):
    return main(["sweep", "toy.yaml", "--no-track", "--workers", "1", *more])


@pytest.mark.parametrize(
    ("argument", "variable", "expected"),
    [
        (None, None, None),
        ("shaky://a/b", None, "shaky://a/b"),
        (None, "shaky://c", "shaky://c"),
        ("shaky://a/b", "shaky://c", "shaky://a/b"),
        ("", "shaky://c", None),
        (None, "", None),
    ],
)
def test_the_place_is_that_of_the_argument_else_of_the_environment(heard, monkeypatch, argument, variable, expected):
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)

    code = sweep(*([] if argument is None else ["--remote", argument]))

    assert code == 0
    assert (heard.remote and heard.remote.url) == expected


@pytest.mark.parametrize(("failed", "unsent", "code"), [(0, 0, 0), (0, 2, 5), (1, 0, 11), (1, 2, 11)])
def test_the_exit_code_says_that_something_was_not_put_unless_runs_failed(heard, capsys, failed, unsent, code):
    heard.failed, heard.unsent = failed, unsent

    assert sweep("--remote", "shaky://user:hunter2@bucket/b") == code

    told = capsys.readouterr().out
    assert ("2 runs, artefacts or files could not be put on shaky://bucket/b" in told) == (unsent > 0)
    assert "hunter2" not in told


def test_a_place_that_cannot_be_used_is_a_mistake_in_the_argument(heard, capsys):
    assert sweep("--remote", "nowhere://x") == 2
    assert "--remote nowhere://x" in capsys.readouterr().err
