"""Every forgery here mends the manifest too: what finds it is another number in the bundle."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.cli import main
from harness.errors import DataError
from harness.exchange.archive import pack, unpack
from harness.exchange.bundle import bundle
from harness.exchange.manifest import MANIFEST, read_manifest, write_manifest
from harness.exchange.verification import verify
from harness.fingerprint import digest, file_digest
from harness.plan import UNCHOSEN
from tests.exchange.exchanged import DATASET, Ranked


def _forged(bundled: Path, folder: Path, change: Callable[[Path], None], *, mended: bool = True) -> Path:
    inside = folder / "inside"
    inside.mkdir()
    unpack(bundled, inside)
    change(inside)
    if mended:
        manifest = read_manifest(inside)
        (inside / MANIFEST).unlink()
        write_manifest(inside, manifest)
    pack(inside, folder / "forged.zip")
    return folder / "forged.zip"


def _failing(path: Path) -> dict[str, str]:
    return {check.name: "\n".join(check.differences) for check in verify(path).checks if check.outcome == "FAILED"}


@pytest.fixture
def no_report(monkeypatch):
    monkeypatch.setattr("harness.exchange.verification._report_checks", lambda *_: [])


def _record(inside: Path) -> Path:
    """The record of a run that mines."""
    return next(
        path for path in sorted(inside.glob("runs/*/record.json")) if '"negatives_hash": ""' not in path.read_text()
    )


def _json(choose: Callable[[Path], Path], change: Callable[[dict], None]) -> Callable[[Path], None]:
    def forge(inside: Path) -> None:
        path = choose(inside)
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return forge


def _parquet(pattern: str, column: str, change: Callable[[object], object], row: int = 0) -> Callable[[Path], None]:
    def forge(inside: Path) -> None:
        path = min(inside.glob(pattern))
        frame = pd.read_parquet(path)
        frame = frame.astype({column: object}) if frame[column].dtype == "category" else frame
        place = frame.columns.get_loc(column)
        frame.iloc[row, place] = change(frame.iloc[row, place])
        frame.to_parquet(path, index=False)

    return forge


def _trec(inside: Path) -> None:
    path = min(inside.glob("trec/*.dev.trec.gz"))
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    query, zero, document, rank, score, tag = lines[99].split(" ")
    lines[99] = " ".join([query, zero, document, rank, str(np.float32(float(score) - 0.001)), tag])
    path.write_bytes(gzip.compress("".join(lines).encode()))


def _qrels(inside: Path) -> None:
    path = inside / "qrels" / "made.test.qrels"
    path.write_text(re.sub(r" 2\n", " 1\n", path.read_text(encoding="utf-8"), count=1), encoding="utf-8")


def _both_qrels(inside: Path) -> None:
    path = inside / "qrels" / "made.test.qrels"
    path.write_text(path.read_text(encoding="utf-8").replace(" 2\n", " 1\n"), encoding="utf-8")
    frame = pd.read_parquet(inside / "queries" / DATASET[:16] / "qrels.parquet")
    frame.loc[(frame["split"] == "test") & (frame["relevance"] == 2), "relevance"] = 1
    frame.to_parquet(inside / "queries" / DATASET[:16] / "qrels.parquet", index=False)


def _swapped(inside: Path) -> None:
    path = min(inside.glob("runs/*/per_query.parquet"))
    frame = pd.read_parquet(path)
    scores = frame.loc[frame["split"] == "test", "ndcg_at_10"]
    rows = [scores.idxmin(), scores.idxmax()]
    frame.loc[rows, "ndcg_at_10"] = frame.loc[rows, "ndcg_at_10"].to_numpy()[::-1]
    frame.to_parquet(path, index=False)


def _set(*keys: str, value: object) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        for key in keys[:-1]:
            content = content[int(key)] if isinstance(content, list) else content[key]
        assert content[keys[-1]] != value
        content[keys[-1]] = value

    return change


def _hashed_again(inside: Path) -> None:
    record = _record(inside)
    name = json.loads(record.read_text())["fingerprint"]
    plan = json.loads((inside / "plan.json").read_text())
    (arm,) = [run["arm"] for run in plan["runs"] if run["fingerprint"] == name]
    runs = [run["fingerprint"] for run in plan["runs"] if run["arm"] == arm]
    for path in [inside / "runs" / run / "record.json" for run in runs]:
        _json(lambda _, path=path: path, _set("spec", "arm", "training", "learning_rate", value=0.5))(inside)
    (chosen,) = [item for item in plan["arms"] if item["name"] == arm]
    chosen["training"]["learning_rate"] = 0.5
    before = plan.pop("hash")
    plan["hash"] = digest({key: value for key, value in plan.items() if key not in UNCHOSEN}, 16)
    (inside / "plan.json").write_text(json.dumps(plan))
    (inside / MANIFEST).write_text((inside / MANIFEST).read_text().replace(before, plan["hash"]))


PLAN = lambda inside: inside / "plan.json"  # noqa: E731
FORGERIES = {
    "a comparison": (_json(PLAN, lambda plan: plan["comparisons"].pop()), "plan"),
    "the question": (_json(PLAN, _set("question", value="Another?")), "plan"),
    "a seed of a run": (_json(PLAN, _set("runs", "0", "seed", value=7)), "plan"),
    "a mean": (_json(_record, _set("metrics", "test", "ndcg_at_10", value=0.9)), "means"),
    "a mean of a further set": (_json(_record, _set("metrics", "test@synthetic", "auc", value=0.9)), "means"),
    "a mean by a millionth": (
        _json(_record, lambda record: record["metrics"]["dev"].update(auc=record["metrics"]["dev"]["auc"] + 1e-6)),
        "means",
    ),
    "a mean that is missing": (_json(_record, lambda record: record["metrics"]["dev"].pop("auc")), "means"),
    "the metrics of a split": (_json(_record, lambda record: record["metrics"].pop("dev")), "means"),
    "a learning rate": (_json(_record, _set("spec", "arm", "training", "learning_rate", value=0.5)), "records"),
    "a seed of a record": (_json(_record, _set("spec", "seed", value=5)), "records"),
    "hidden negatives": (_json(_record, _set("audit", "hidden", value=3)), "counts"),
    "contamination": (_json(_record, _set("audit", "contamination", value=0.01)), "counts"),
    "a bin": (_json(_record, lambda record: record["audit"]["histograms"]["counts"]["hidden"].pop()), "counts"),
    "an edge of a bin": (
        _json(_record, lambda record: record["audit"]["histograms"]["edges"].__setitem__(1, -0.2)),
        "counts",
    ),
    "more hidden negatives than negatives": (
        _json(_record, lambda record: record["audit"].update(hidden=16000, contamination=2.0)),
        "counts",
    ),
    "a setting in plan and record, with the plan's hash": (_hashed_again, "records"),
    **{
        f"{column} of a query": (
            _parquet("runs/*/per_query.parquet", column, lambda value: abs(value - 0.01)),
            "means",
        )
        for column in ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100", "auc")
    },
    "a count of relevant documents": (
        _parquet("runs/*/per_query.parquet", "relevant", lambda value: value + 1),
        "metrics",
    ),
    "two queries in each other's place": (_swapped, "metrics"),
    "a score": (_parquet("runs/*/rankings.parquet", "score", lambda score: score + 0.001), "rankings"),
    "a rank": (_parquet("runs/*/rankings.parquet", "rank", lambda rank: rank + 1, row=5), "rankings"),
    "a document": (_parquet("runs/*/rankings.parquet", "document_id", lambda _: "other", row=50), "rankings"),
    "a score of a TREC run": (_trec, "rankings"),
    "a grade of a TREC file": (_qrels, "judgements"),
    "a grade": (_parquet("queries/*/qrels.parquet", "relevance", lambda grade: grade + 1), "judgements"),
    "a grade in both files": (_both_qrels, "metrics"),
    "a version of a package": (
        lambda inside: next(inside.glob("environment/*")).write_text("numpy==1.0\n"),
        "environment",
    ),
    "a file of another kind": (lambda inside: (inside / "notes.txt").write_text("1"), "archive"),
    "a run of another sweep": (
        lambda inside: _record(inside).parent.rename(inside / "runs" / "0123456789abcdef"),
        "records",
    ),
    "rankings that are gone": (lambda inside: min(inside.glob("runs/*/rankings.parquet")).unlink(), "rankings"),
    "a TREC run that is gone": (lambda inside: min(inside.glob("trec/*")).unlink(), "rankings"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_is_found_though_the_manifest_was_mended(what, bundled, no_report, tmp_path):
    change, finder = FORGERIES[what]

    found = _failing(_forged(bundled, tmp_path, change))

    assert finder in found
    assert "plan" not in found or finder == "plan"


def test_a_bundle_as_it_was_made_holds_in_every_check(bundled):
    found = verify(bundled)

    assert {check.name: check.outcome for check in found.checks} == dict.fromkeys(
        [
            *("archive", "hashes", "parquet", "names", "plan", "records", "means", "counts"),
            *("judgements", "rankings", "metrics", "environment", "tables", "report"),
        ],
        "ok",
    )
    assert found.holds
    assert found.sha256 == file_digest(bundled)
    texts = {check.name: check.text for check in found.checks}
    assert texts["metrics"] == "96 query results follow from rankings and judgements"


def test_a_changed_cell_of_a_table_and_a_changed_report_are_found(bundled, tmp_path):
    def forge(inside: Path) -> None:
        table = inside / "tables" / "ablation.csv"
        table.write_text(re.sub(r"0\.(\d{5})", r"0.9\1", table.read_text(), count=1))
        (inside / "report.pdf").write_bytes((inside / "report.pdf").read_bytes() + b"\n")

    found = _failing(_forged(bundled, tmp_path, forge))

    assert set(found) == {"tables", "report"}
    assert "tables/ablation.csv, row 1: " in found["tables"]


def test_a_number_that_only_the_tables_repeat_is_found_by_them(bundled, tmp_path):
    change = _json(_record, lambda record: record["audit"].update(hardness=record["audit"]["hardness"] - 0.1))

    assert "hardness" in _failing(_forged(bundled, tmp_path, change))["tables"]


def test_without_a_mended_manifest_the_file_itself_is_named(bundled, no_report, tmp_path):
    name = "tables/ablation.csv"

    found = _failing(_forged(bundled, tmp_path, lambda inside: (inside / name).write_text("x"), mended=False))

    assert found == {"hashes": f"{name} is not the file that the manifest describes"}


def test_a_file_that_is_missing_or_not_in_the_manifest_is_named(bundled, no_report, tmp_path):
    def forge(inside: Path) -> None:
        (inside / "tables" / "ablation.csv").rename(inside / "tables" / "other.csv")

    found = _failing(_forged(bundled, tmp_path, forge, mended=False))

    assert found["hashes"] == "tables/ablation.csv is missing\ntables/other.csv is not in the manifest"


@pytest.mark.parametrize(
    "change",
    [
        _json(PLAN, _set("name", value="../../outside")),
        _json(PLAN, _set("runs", "0", "fingerprint", value="../../../outside")),
        _json(_record, _set("spec", "identities", "dataset", value="../../../../../etc")),
    ],
)
def test_a_name_that_leads_out_of_the_bundle_ends_the_checks(change, bundled, tmp_path):
    found = verify(_forged(bundled, tmp_path, change)).checks

    assert found[-1].name == "names"
    assert found[-1].outcome == "FAILED"


def test_a_manifest_that_names_files_elsewhere_is_refused(bundled, tmp_path):
    def forge(inside: Path) -> None:
        text = (inside / MANIFEST).read_text()
        (inside / MANIFEST).write_text(text.replace("qrels/made.dev.qrels", "qrels/../../x.qrels"))

    found = _failing(_forged(bundled, tmp_path, forge, mended=False))

    assert found["manifest"].startswith("MANIFEST.json is malformed")


def test_parquet_that_cannot_be_read_ends_the_checks(bundled, tmp_path):
    def forge(inside: Path) -> None:
        min(inside.glob("runs/*/per_query.parquet")).write_bytes(b"PAR1")

    found = verify(_forged(bundled, tmp_path, forge)).checks

    assert found[-1].name == "parquet"
    assert found[-1].outcome == "FAILED"
    assert str(tmp_path) not in found[-1].differences[0]


def test_an_archive_that_is_no_bundle_fails(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "plan.json").write_text("{}")
    pack(tmp_path / "inside", tmp_path / "x.zip")

    assert _failing(tmp_path / "x.zip") == {"manifest": "there is no MANIFEST.json: this is no bundle of winnow"}


def test_what_a_bundle_lacks_is_said_and_does_not_fail(no_report, tmp_path):
    results = Ranked(rankings=False, path="/home/someone/nfcorpus").write(tmp_path / "old")
    made = bundle(results, tmp_path / "old.zip")

    found = verify(made.path)

    assert found.holds
    skipped = {check.name for check in found.checks if check.outcome == "not checked"}
    assert skipped == {"plan", "judgements", "rankings"}


def test_a_report_by_other_versions_is_not_compared(bundled, tmp_path):
    def forge(inside: Path) -> None:
        text = (inside / MANIFEST).read_text()
        (inside / MANIFEST).write_text(re.sub(r'"typst": "[^"]+"', '"typst": "0.0.1"', text))
        (inside / "report.pdf").write_bytes(b"%PDF-other")

    found = {check.name: check for check in verify(_forged(bundled, tmp_path, forge)).checks}

    assert found["report"].outcome == "not checked"
    assert found["report"].text == "it was made with another typst"
    assert found["tables"].outcome == "ok"


def test_a_report_by_other_versions_that_is_the_same_holds(bundled, tmp_path):
    def forge(inside: Path) -> None:
        text = (inside / MANIFEST).read_text()
        (inside / MANIFEST).write_text(re.sub(r'"typst": "[^"]+"', '"typst": "0.0.1"', text))

    found = {check.name: check.outcome for check in verify(_forged(bundled, tmp_path, forge)).checks}

    assert found["report"] == "ok"


def test_another_archive_than_the_expected_one_is_found(bundled, no_report):
    right = file_digest(bundled)

    assert verify(bundled, right.upper()).holds
    assert not verify(bundled, "0" * 64).holds


def test_the_command_prints_a_line_per_check_and_exits_with_3_where_anything_differs(
    bundled, no_report, tmp_path, capsys
):
    forged = _forged(bundled, tmp_path, FORGERIES["a mean"][0])

    codes = [main(["verify", str(path)]) for path in (bundled, forged)]

    lines = capsys.readouterr().out.splitlines()
    assert codes == [0, DataError.exit_code]
    assert max(len(line) for line in lines if not line.startswith(str(tmp_path)[:6])) <= 80
    assert any(line.startswith("FAILED       means ") for line in lines)
    assert "1 of 12 checks failed" in lines
    assert "nothing differs" in lines
