"""Results and sweep files that somebody else wrote, with names that want to be obeyed."""

import json
from pathlib import Path

import pytest
from inline import copied, sweep_file

from harness.cli import main
from harness.errors import StorageError
from harness.printable import printable
from harness.reporting.report import write_report
from harness.sweep_files import read_plan, read_points


@pytest.mark.parametrize("name", ["../../gone", "/etc/gone", "..", "a\\b", ".hidden", ""])
@pytest.mark.parametrize("where", ["sweep", "run"])
def test_a_plan_whose_names_lead_out_of_their_folder_is_refused(tmp_path, trained, name, where):
    folder = copied(trained / "results/toy", tmp_path / "toy")
    content = json.loads((folder / "plan.json").read_text())
    if where == "sweep":
        content["name"] = name
    else:
        content["runs"][0]["fingerprint"] = name
    (folder / "plan.json").write_text(json.dumps(content))

    with pytest.raises(StorageError, match="cannot name a folder"):
        write_report(folder, tmp_path / "reports/deep")

    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_a_point_whose_run_leads_out_of_its_folder_is_refused(tmp_path, trained):
    plan = read_plan(trained / "results/toy")
    run = {**plan.runs[0].model_dump(mode="json"), "fingerprint": "../x"}
    point = {"number": 0, "values": {}, "arm": plan.arms[0].model_dump(mode="json"), "runs": [run]}
    (tmp_path / "points.jsonl").write_text(json.dumps(point) + "\n")

    with pytest.raises(StorageError, match="cannot name a folder"):
        read_points(tmp_path)


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07red \x1b[31m", "back\x08\x08\x08\x08", "\x9b31m"])
def test_a_terminal_shows_control_characters_and_does_not_obey(tmp_path: Path, capsys, text):
    code = main(["plan", str(sweep_file(tmp_path, question=text)), "--results", str(tmp_path)])

    printed = capsys.readouterr().out
    assert code == 0
    assert printable(text) in printed
    assert not set(printed) & set("\x1b\x07\x08\x9b")


def test_text_of_any_script_is_printed_as_it_is():
    assert printable("naïve 検索 ±\n\tنص") == "naïve 検索 ±\n\tنص"
    assert printable("a\x00b\rc") == "a\\x00b\\x0dc"
