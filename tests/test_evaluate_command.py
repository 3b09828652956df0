import json

import pytest

from harness.cli import main
from harness.evaluation.model import evaluate
from harness.evaluation.mteb_door import MtebScores
from harness.sources.synthetic import Synthetic
from harness.teachers.dense import load_encoder
from harness.teachers.minilm import minilm_folder
from harness.training.bases import Static

TASK = "synthetic:queries=40,documents=240"


def winnow(tmp_path, *arguments):
    return main(["evaluate", *arguments, "--results", str(tmp_path)])


def test_it_prints_the_means_of_every_task(tmp_path, capsys):
    collection = Synthetic(queries=40, documents=240).load()
    model = Static().load(max_length=128, texts=(*collection.document_texts, *collection.query_texts))
    expected = evaluate(model, collection, "auto", ("dev",))

    code = winnow(tmp_path, "static", TASK, "synthetic:queries=30,documents=200,seed=3", "--split", "dev", "--json")

    first, second = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (first["task"], second["task"]) == ("synthetic", "synthetic #2")
    assert first["queries"] == len(expected)
    for metric in ("ndcg_at_10", "map_at_100", "auc"):
        assert first[metric] == pytest.approx(expected[metric].mean())


@pytest.mark.parametrize("library", ["mteb", "beir"])
def test_a_check_shows_both_evaluations_side_by_side(tmp_path, capsys, library):
    assert winnow(tmp_path, "static", TASK, "--check", library) == 0

    head, ours, theirs, verdict = capsys.readouterr().out.splitlines()
    assert max(map(len, (head, ours, theirs, verdict))) <= 80
    assert ours.split()[2:7] == theirs.split()[2:]
    assert verdict.startswith(f"largest difference to {library}: ")


def test_a_check_that_fails_shows_the_numbers_and_is_an_error(tmp_path, capsys, monkeypatch):
    wrong = MtebScores("t", "r", "v", {"ndcg_at_10": 0.5})
    monkeypatch.setattr("harness.evaluation.mteb_door.evaluate_by_mteb", lambda *_: [wrong])

    assert winnow(tmp_path, "static", TASK, "--check", "mteb") == 1

    told = capsys.readouterr().err
    assert "\n  by mteb                        0.50000\n" in told
    assert told.rstrip().endswith("the evaluations differ by more than 1e-05")


def test_a_folder_keeps_its_own_maximum_length_unless_told(tmp_path, monkeypatch):
    seen = []

    def load(name, *, max_length, **settings):
        seen.append((name, max_length))
        return load_encoder(name, max_length=max_length, **settings)

    monkeypatch.setattr("harness.teachers.dense.load_encoder", load)
    folder = str(minilm_folder())

    codes = [
        winnow(tmp_path, folder, "synthetic:queries=10,documents=60", *more) for more in ((), ("--max-length", "16"))
    ]

    assert codes == [0, 0]
    assert seen == [(folder, None), (folder, 16)]


def test_all_mistakes_are_told_at_once(tmp_path, capsys):
    assert winnow(tmp_path, "minilm_3l:layers=9", "synthetik", "--max-length", "2") == 2

    told = capsys.readouterr().err
    assert "MODEL: base 'minilm_3l': layers must be in [1, 6], got 9" in told
    assert "DATA: 'synthetik' is none of" in told
    assert "--max-length must be in [8, 8192], got 2" in told


def test_an_unknown_model_or_benchmark_is_answered_with_a_suggestion(tmp_path, capsys):
    assert winnow(tmp_path, "sttic", TASK) == 2
    assert "unknown base 'sttic'; did you mean 'static'?" in capsys.readouterr().err
    assert winnow(tmp_path, "static", "benchmark:NanoBEI") == 2
    assert "mteb has no benchmark 'NanoBEI'; did you mean 'NanoBEIR'?" in capsys.readouterr().err


def test_a_hub_out_of_reach_is_one_line_and_its_exit_code(tmp_path, capsys, monkeypatch):
    import datasets

    def fail(path, revision=None, **settings):
        raise ConnectionError("Couldn't reach the Hub\nand much more")

    monkeypatch.setattr(datasets, "get_dataset_config_names", fail)

    assert winnow(tmp_path, "static", "benchmark:NanoBEIR") == 3

    told = capsys.readouterr().err
    assert told.startswith("winnow: cannot load the mteb task Nano")
    assert told.count("\n") == 1
