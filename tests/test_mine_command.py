"""`winnow mine` and `winnow audit`, from arguments to exit code."""

import json
import os
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import harness
from harness.cli import main
from harness.mining.rank import TopK
from harness.teachers.lexical import BM25


@pytest.fixture
def winnow(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_command_writes_negatives_and_says_what_they_are(winnow):
    code, out, err = winnow(
        *("mine", "synthetic", "--teacher", "bm25", "--miner", "topk_percpos", "--set", "share=0.9", "--set", "k=2"),
        *("--out", "new/out.parquet", "--depth", "20"),
    )

    assert code == 0
    assert out.startswith("topk_percpos(k=2, share=0.9) on synthetic, train split\nteacher bm25, 20 candidates")
    assert "new/out.parquet (24 rows, records)" in out
    assert "searching with BM25" in err
    rows = pq.read_table("new/out.parquet").to_pylist()
    assert {len(row["negative_ids"]) for row in rows} == {2}
    assert json.loads(Path("new/out.parquet.meta.json").read_text(encoding="utf-8"))["miner"]["params"]["share"] == 0.9
    assert Path("results/.store/pool").is_dir()


def test_json_is_one_object_on_standard_output(winnow):
    code, out, _ = winnow("mine", "synthetic", "--teacher", "bm25", "--out", "o.jsonl", "--json")

    found = json.loads(out)
    assert code == 0
    assert (found["file"], found["rows"], found["scores"]["positives"]["min"] > 0) == ("o.jsonl", 24, True)


def test_every_mistake_is_told_before_anything_is_loaded(winnow, monkeypatch):
    monkeypatch.setattr("harness.sources.kept.load_collection", lambda *_: pytest.fail("loaded"))

    code, out, err = winnow(
        *("mine", "synthetik", "--teacher", "bm26", "--teacher", "bm25", "--miner", "topk_percpo"),
        *("--depth", "0", "--seed", "-1", "--out", "o.txt"),
    )

    assert code == 2
    assert out == ""
    for part in (
        "did you mean 'synthetic'?",
        "did you mean 'bm25'?",
        "--teacher is given 2 times",
        "did you mean 'topk_percpos'?",
        "--depth must be in [1, 10000], got 0",
        "--seed must be in [0, 2147483648), got -1",
        "--out must end in .parquet or .jsonl, got 'o.txt'",
    ):
        assert part in err
    assert not Path("results").exists()


def test_a_file_that_is_there_is_kept_unless_forced(winnow):
    arguments = ("mine", "synthetic", "--teacher", "bm25", "--out", "o.jsonl")
    Path("o.jsonl").write_text("mine", encoding="utf-8")

    assert winnow(*arguments)[0] == 2
    assert Path("o.jsonl").read_text(encoding="utf-8") == "mine"
    assert winnow(*arguments, "--force")[0] == 0


def test_a_split_without_pairs_is_missing_data(winnow):
    Path("own.csv").write_text("query,positive\na b,a b c\n", encoding="utf-8")

    code, _, err = winnow("mine", "own.csv", "--split", "dev", "--teacher", "bm25", "--out", "o.jsonl")

    assert code == 3
    assert "the dev split has no labelled pair" in err


def test_own_pairs_with_a_corpus_are_mined(winnow):
    Path("own.csv").write_text("query,positive\nlarge planet,the planet Jupiter\n", encoding="utf-8")
    Path("more.jsonl").write_text('{"text": "a planet of ice"}\n{"text": "a large city"}\n', encoding="utf-8")

    code, _, err = winnow(
        *("mine", "own.csv", "--corpus", "more.jsonl", "--teacher", "bm25", "--miner", "naive_topk", "--set", "k=2"),
        *("--out", "o.jsonl", "--format", "n-tuple"),
    )

    assert (code, "searching with BM25" in err) == (0, True)
    (row,) = [json.loads(line) for line in Path("o.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["negative_1"], row["negative_2"]} == {"a planet of ice", "a large city"}


def test_a_recipe_brings_its_teacher(winnow):
    code, out, _ = winnow("mine", "synthetic", "--miner", "dpr_bm25", "--out", "o.jsonl")

    assert code == 0
    assert out.startswith("topk(k=1) on synthetic, train split\nteacher bm25")


@dataclass
class Asked:
    """Stands for the audit: keeps what it was asked."""

    subject: dict
    arguments: tuple = ()
    options: dict = None

    def choose(self, collection, **options):
        self.subject = {"collection": collection.name, **options}
        return collection

    def run(self, *arguments, **options):
        self.arguments, self.options = arguments, options
        return types.SimpleNamespace(text="what was found\n", pdf=options["out"] / "audit.pdf")


@pytest.fixture
def asked(monkeypatch):
    stand_in = Asked({})
    module = types.SimpleNamespace(run_audit=stand_in.run, subject=stand_in.choose)
    monkeypatch.setitem(sys.modules, "harness.auditing", module)
    return stand_in


def test_an_audit_is_handed_teachers_and_miners_by_their_labels(winnow, asked):
    code, out, _ = winnow(
        *("audit", "synthetic", "--teacher", "bm25", "--teacher", "bm25:k1=2", "--miner", "topk", "--set", "k=3"),
        *("--hide-positives", "5", "--queries", "9", "--seed", "1", "--depth", "7", "--out", "found"),
    )

    assert (code, out) == (0, "what was found\nreport: found/audit.pdf\n")
    assert asked.subject == {"collection": "synthetic", "split": "train", "hide": 5, "queries": 9, "seed": 1}
    collection, teachers, miners = asked.arguments
    assert collection.name == "synthetic"
    assert teachers == [("bm25", BM25()), ("bm25(k1=2.0)", BM25(k1=2.0))]
    assert miners == [("topk(k=3)", TopK(k=3))]
    assert {key: asked.options[key] for key in ("split", "depth", "seed", "out")} == {
        "split": "train",
        "depth": 7,
        "seed": 1,
        "out": Path("found"),
    }


def test_without_miners_the_audit_chooses(winnow, asked):
    assert winnow("audit", "synthetic", "--teacher", "bm25", "--out", "found")[0] == 0
    assert asked.arguments[2] == []
    assert asked.subject["hide"] is None


def test_every_mistake_of_an_audit_is_told_at_once(winnow, asked):
    Path("file").write_text("", encoding="utf-8")

    code, _, err = winnow(
        *("audit", "synthetic", "--teacher", "bm25", "--teacher", "bm25", "--set", "k=3", "--queries", "0"),
        *("--hide-positives", "-1", "--out", "file"),
    )

    assert code == 2
    assert err.removeprefix("winnow:").strip().splitlines() == [
        "--set goes with --miner: without it every miner has its published setting",
        "--hide-positives must be in [0, 2147483648), got -1",
        "--queries must be at least 1, got 0",
        "--teacher: bm25 is given twice",
        "--out file is a file; the audit fills a folder",
    ]


def test_a_place_that_cannot_be_written_is_told_before_anything_is_loaded(winnow, monkeypatch):
    monkeypatch.setattr("harness.sources.kept.load_collection", lambda *_: pytest.fail("loaded"))
    Path("file").write_text("", encoding="utf-8")

    assert winnow("mine", "synthetic", "--teacher", "bm25", "--out", "file/o.jsonl")[0] == 5


def test_libraries_that_log_everything_are_not_heard(tmp_path):
    code = "from harness.cli import main; main(['mine', 'synthetic', '--teacher', 'bm25', '--out', 'o.jsonl'])"

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parent.parent)},
    )

    assert done.stderr == "searching with BM25 (24)\n"


def test_help_and_mistakes_load_no_heavy_library():
    heavy = ("torch", "pandas", "sentence_transformers", "mteb", "datasets", "matplotlib", "pyarrow")
    code = (
        "import sys\nfrom harness.cli import main\n"
        "for arguments in (['mine', 'synthetik', '--out', 'x'], ['mine', '--help']):\n"
        "    try: main(arguments)\n    except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_a_score_of_nan_stops_the_command(winnow, monkeypatch):
    monkeypatch.setattr(BM25, "score", lambda *arguments: np.full(len(arguments[2]), np.nan, dtype=np.float32))

    code, _, err = winnow("mine", "synthetic", "--teacher", "bm25", "--out", "o.jsonl")

    assert (code, err.count("winnow:")) == (10, 1)
    assert not Path("o.jsonl").exists()
