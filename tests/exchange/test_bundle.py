import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from harness.cli import main
from harness.errors import DataError
from harness.exchange.bundle import bundle
from harness.exchange.staging import LAYOUT
from harness.exchange.trec_files import write_qrels
from tests.exchange.exchanged import DATASET, Ranked


@pytest.fixture
def no_report(monkeypatch):
    monkeypatch.setattr("harness.exchange.bundle.write_tables", lambda *_: None)


def _manifest(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("MANIFEST.json"))


def _text(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return "".join(
            archive.read(name).decode() for name in archive.namelist() if name.endswith((".json", ".jsonl", ".lock"))
        )


def test_the_same_results_give_the_same_bytes(ranked, bundled, tmp_path):
    again = bundle(ranked, tmp_path / "again.zip")

    assert again.path.read_bytes() == bundled.read_bytes()


def test_a_bundle_holds_the_plan_every_run_in_both_forms_judgements_tables_and_the_report(bundled):
    with zipfile.ZipFile(bundled) as archive:
        names = archive.namelist()
    kinds = [re.sub(r"[0-9a-f]{16}", "#", name) for name in names]

    assert names == sorted(names)
    assert all(LAYOUT.fullmatch(name) for name in names)
    assert {
        kind: kinds.count(kind) for kind in kinds if kind.startswith(("runs", "queries", "env", "plan", "rep"))
    } == {
        "environment/#.lock": 1,
        "plan.json": 1,
        "queries/#/qrels.parquet": 1,
        "report.pdf": 1,
        "runs/#/per_query.parquet": 6,
        "runs/#/rankings.parquet": 6,
        "runs/#/record.json": 6,
    }
    assert [name for name in names if name.startswith("qrels/")] == [
        "qrels/made.dev.qrels",
        "qrels/made.dev@synthetic.qrels",
        "qrels/made.test.qrels",
        "qrels/made.test@synthetic.qrels",
    ]
    assert sum(name.startswith("trec/") for name in names) == 6 * 4
    assert "trec/#-random-any-made-1.test@synthetic.trec.gz" in kinds
    assert "tables/ablation.csv" in names


def test_the_manifest_lists_every_other_file_with_digest_and_size(bundled):
    manifest = _manifest(bundled)

    with zipfile.ZipFile(bundled) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    del sizes["MANIFEST.json"]

    assert {name: entry["bytes"] for name, entry in manifest["files"].items()} == sizes
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"].values())
    assert manifest["made_with"]["winnow"] == "0.1.0"


def test_texts_stay_out_unless_they_are_asked_for(ranked, no_report, tmp_path):
    without = bundle(ranked, tmp_path / "without.zip")
    made = bundle(ranked, tmp_path / "with.zip", texts=True)

    name = f"queries/{DATASET[:16]}/texts.parquet"
    assert name not in _manifest(without.path)["files"]
    assert name in _manifest(made.path)["files"]
    assert "texts of queries and documents are left out (--texts takes them in)" in without.remarks
    assert made.remarks == ()


def test_a_sweep_without_rankings_is_bundled_and_said_to_have_none(no_report, tmp_path):
    results = Ranked(rankings=False).write(tmp_path / "old")

    made = bundle(results, tmp_path / "old.zip")

    assert made.remarks == ("6 runs have no rankings: none were kept with these results",)
    assert _manifest(made.path)["trec_runs"] == []


def test_absolute_paths_are_cut_and_the_files_named(no_report, tmp_path):
    results = Ranked(path="/home/someone/data/nfcorpus").write(tmp_path / "results")

    made = bundle(results, tmp_path / "x.zip")

    manifest = _manifest(made.path)
    assert "someone" in (results / "plan.json").read_text()
    assert "someone" not in _text(made.path)
    assert len(manifest["cut"]) == 7
    assert "plan.json" in manifest["cut"]


def test_a_list_of_packages_that_holds_a_credential_is_left_out_and_said_to_be(no_report, tmp_path):
    results = Ranked(lines="tool @ https://me:word@example.org/tool\n").write(tmp_path / "results")

    made = bundle(results, tmp_path / "x.zip")

    assert not any(name.startswith("environment/") for name in _manifest(made.path)["files"])
    assert len(made.remarks) == 2
    assert "seems to hold a password in an address" in made.remarks[0]


def test_a_patch_that_names_the_home_folder_is_left_out(no_report, tmp_path):
    results = Ranked(lines=f"+{Path.home()}/notes\n").write(tmp_path / "results")

    assert "the path of a home folder" in bundle(results, tmp_path / "x.zip").remarks[0]


def test_a_record_that_holds_a_credential_is_not_passed_on(no_report, tmp_path):
    results = Ranked().write(tmp_path / "results")
    path = next((results / "runs").glob("*/record.json"))
    path.write_text(path.read_text().replace('"Example CPU', '"hf_abcdefghijklmnopqrstuvw'))

    with pytest.raises(DataError, match=r"record\.json seems to hold an access token"):
        bundle(results, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_splits_whose_names_fall_together_have_a_file_each(tmp_path):
    folder = tmp_path / "queries" / DATASET[:16]
    folder.mkdir(parents=True)
    rows = [("test@a b", "q", "d", 1), ("test@A-b", "q", "d", 2)]
    columns = ["split", "query_id", "document_id", "relevance"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "qrels.parquet")

    files = write_qrels(tmp_path, [])

    found = {file.split: (tmp_path / file.file).read_text() for file in files}
    assert found == {"test@a b": "q 0 d 1\n", "test@A-b": "q 0 d 2\n"}
    assert len({file.file.casefold() for file in files}) == 2


def test_the_command_says_what_it_wrote(ranked, no_report, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    code = main(["bundle", str(ranked)])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert (tmp_path / "ranked.zip").exists()
    assert lines[0].startswith("ranked.zip: ")
    assert "6 runs" in lines[0]
    assert re.fullmatch(r"sha256 [0-9a-f]{64}", lines[1])
    assert max(map(len, lines)) <= 80
