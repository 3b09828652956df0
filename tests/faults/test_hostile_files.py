"""Sweep files and bundles that unfold to more than they seem: answered at once, in a message, with nothing written."""

import os
import resource
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from harness.cli import main
from sweeps import WINNOW, environment

LINE = "name: toy\nquestion: q\narms: [{name: a, training: false}]\n"


def laughs() -> str:
    """Nine levels of nine aliases each: 400 million values in half a kilobyte."""
    levels = [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 10)]
    return LINE + "\n".join(["l0: &l0 lol", *levels]) + "\n"


BOMBS = {
    "aliases": (laughs(), "anchors and aliases make it"),
    "itself": (LINE + "a: &a [*a, *a]\n", "anchors and aliases make it"),
    "lists in lists": (LINE + "a: " + "[" * 100_000, "nested deeper than 20 levels"),
    "mappings in mappings": (LINE + "a: " + "{b: " * 50_000, "nested deeper than 20 levels"),
    "indentation": (LINE + "".join(" " * depth + "a:\n" for depth in range(600)), "nested deeper than 20 levels"),
    "a huge text": (LINE + "a: " + "x" * (1 << 20), "must be at most 256 KiB"),
    "a huge number": (LINE + "seeds: " + "9" * 200_000, "seeds must be"),
    "many values": (LINE + "a: [" + "1," * 100_000 + "]", "not YAML: more than 20000 values"),
    "many mistakes": (LINE + "".join(f"k{number}: 1\n" for number in range(15_000)), "and 14952 more mistakes"),
    "an object of Python": (LINE + "a: !!python/object/apply:os.mkdir [gone]\n", "is not supported"),
    "a device": ("", "is empty"),
}


@pytest.mark.parametrize("bomb", list(BOMBS))
def test_a_sweep_file_that_unfolds_is_answered_at_once(tmp_path, capsys, monkeypatch, bomb):
    content, expected = BOMBS[bomb]
    file = tmp_path / "toy.yaml"
    file.write_text(content)
    monkeypatch.chdir(tmp_path)
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    code = main(["plan", str(file), "--results", str(tmp_path / "results")])

    told = capsys.readouterr().err
    assert code == 2
    assert expected in told
    assert len(told) < 20_000
    assert time.process_time() - begun < 2.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10  # KiB
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]


def test_a_sweep_file_that_never_ends_is_answered_at_once(tmp_path):
    done = subprocess.run(
        [*WINNOW, "plan", "/dev/zero"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, "winnow: /dev/zero: must be at most 256 KiB\n")


def slipping(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../slipped", "x")


def bursting(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"\0" * (64 << 20))


def linking(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("manifest.json")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")


def torn(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + os.urandom(64))


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (slipping, "has a name that a bundle does not use"),
        (bursting, "unpacks to more than 200 times its size"),
        (linking, "is no plain file"),
        (torn, "cannot be read as a zip file"),
    ],
)
def test_a_hostile_bundle_is_refused_by_verify_with_nothing_written(tmp_path, capsys, monkeypatch, harm, expected):
    work = tmp_path / "a/b"
    work.mkdir(parents=True)
    harm(work / "toy.zip")
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(work))

    code = main(["verify", "toy.zip"])

    assert code == 3
    assert expected in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["toy.zip"]
