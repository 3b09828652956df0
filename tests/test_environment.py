"""What is kept of the surroundings of a run."""

import hashlib
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from harness import environment as surroundings
from harness.environment import changed, environment, installed, keep_environment
from harness.record import Environment


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """Make a checkout in whose folder `harness` the code of the tests pretends to lie."""
    package = tmp_path / "harness"
    package.mkdir()
    (package / "code.py").write_text("one\n")
    (tmp_path / "own.yaml").write_text("path: data\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "config", "color.ui", "always")
    git(tmp_path, "config", "diff.noprefix", "true")
    monkeypatch.setattr(surroundings, "__file__", str(package / "environment.py"))
    monkeypatch.setattr(surroundings, "changed", changed.__wrapped__)
    return tmp_path


def test_every_installed_distribution_stands_in_the_lock_once_with_its_version():
    lines = installed().decode().splitlines()

    names = [line.partition("==")[0] for line in lines]
    assert f"numpy=={version('numpy')}" in lines
    assert f"pytrec-eval-terrier=={version('pytrec_eval-terrier')}" in lines
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!_-]+", line) for line in lines)


class Installed:
    def __init__(self, name: str | None, release: str) -> None:
        self.name, self.version = name, release


def test_of_two_distributions_of_one_name_the_first_found_counts(monkeypatch):
    found = [Installed("A_b", "2"), Installed("a.B", "1"), Installed(None, "3"), Installed("a", "0")]
    monkeypatch.setattr(surroundings, "distributions", lambda: found)

    assert installed.__wrapped__() == b"a==0\na-b==2\n"


def test_a_change_of_the_code_is_kept_as_a_patch_that_applies(checkout):
    (checkout / "harness" / "code.py").write_text("two\n")

    patch = surroundings.changed()
    keep_environment(checkout / "results")

    git(checkout, "checkout", "-q", "--", "harness")
    name = f"{hashlib.sha256(patch).hexdigest()[:16]}.patch"
    assert (checkout / "results" / "environment" / name).read_bytes() == patch
    git(checkout, "apply", f"results/environment/{name}")
    assert (checkout / "harness" / "code.py").read_text() == "two\n"
    assert str(checkout).encode() not in patch


def test_a_staged_change_is_one_too(checkout):
    (checkout / "harness" / "code.py").write_text("two\n")
    git(checkout, "add", ".")

    assert b"+two" in surroundings.changed()


def test_changes_outside_of_the_code_stay_where_they_are(checkout):
    (checkout / "own.yaml").write_text("path: /home/someone/data\n")

    keep_environment(checkout / "results")

    assert surroundings.changed() == b""
    assert [path.suffix for path in (checkout / "results" / "environment").iterdir()] == [".lock"]


def test_outside_of_a_checkout_nothing_is_said_of_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(surroundings, "__file__", str(tmp_path / "environment.py"))

    assert changed.__wrapped__() == b""


def test_the_environment_names_its_files_and_writes_them_once(tmp_path):
    keep_environment(tmp_path)
    lock = tmp_path / "environment" / f"{environment().lock}.lock"
    lock.write_bytes(b"already there")
    keep_environment(tmp_path)

    assert lock.read_bytes() == b"already there"
    assert environment().lock == hashlib.sha256(installed()).hexdigest()[:16]


def test_an_environment_without_files_is_dumped_as_before_there_were_any():
    bare = environment().model_copy(update={"lock": "", "diff": ""})

    assert not {"lock", "diff"} & set(bare.model_dump())
    assert Environment.model_validate_json(bare.model_dump_json()) == bare
