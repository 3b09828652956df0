"""Judgements and texts that are kept beside the table of a dataset's queries."""

import pandas as pd
import pytest

from harness.collection import Collection, Judgements
from harness.query_files import JUDGEMENT_COLUMNS, LONGEST_TEXT, TEXT_COLUMNS, JudgementsJob, TextsJob
from harness.query_table import queries_folder
from harness.run_tables import Ranking, write_rankings
from harness.spec import ArmSpec, Component, RunSpec
from harness.store import Store
from harness.teachers.base import Workspace

OWN, OTHER = Component(name="own"), Component(name="synthetic")
LONG = "x" * (LONGEST_TEXT + 1)
TOYS = {
    "own": Collection(
        "own",
        tuple("abcdef"),
        ("text a", LONG[1:], "text c", LONG, "half a pair \ud83d", "text f"),
        ("p", "q", "r"),
        ("asks p", "asks q", "asks r"),
        {
            "train": Judgements.of([(2, 5, 1, False)]),
            "dev": Judgements.of([(2, 2, 1, False)]),
            "test": Judgements.of([(0, 0, 2, False), (0, 1, 0, False), (0, 5, 0, False), (1, 3, 1, True)]),
        },
    ),
    "synthetic": Collection("other", ("a",), ("t",), ("p",), ("s",), {"test": Judgements.of([(0, 0, 1, False)])}),
}
IDENTITY = "0123456789abcdefghij"


@pytest.fixture
def work(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setattr("harness.query_files.load_collection", lambda dataset, _: TOYS[dataset.name])
    return Workspace(Store(tmp_path / "store"))


def judgements(tmp_path, *further: Component, of: str = "1") -> JudgementsJob:
    identities = {"dataset": IDENTITY} | {f"evaluate[{place}]": of for place in range(len(further))}
    arm = ArmSpec(name="arm", base=Component(name="static"))
    spec = RunSpec(arm=arm, dataset=OWN, seed=0, identities=identities, evaluate=further)
    return JudgementsJob(spec, tmp_path, 1)


def kept(tmp_path, name: str) -> list[list[object]]:
    frame = pd.read_parquet(queries_folder(tmp_path, IDENTITY) / name)
    assert tuple(frame.columns) == (JUDGEMENT_COLUMNS if name == "qrels.parquet" else TEXT_COLUMNS)
    return frame.to_numpy().tolist()


OWN_ROWS = [
    ["dev", "r", "c", 1],
    ["test", "p", "a", 2],
    ["test", "p", "b", 0],
    ["test", "p", "f", 0],
    ["test", "q", "d", 1],
]


def test_judgements_are_those_of_every_evaluated_split_and_set_and_not_of_train(work, tmp_path):
    judgements(tmp_path, OTHER)(work)

    assert kept(tmp_path, "qrels.parquet") == [*OWN_ROWS, ["test@synthetic", "p", "a", 1]]


def test_judgements_are_written_anew_only_when_the_sets_change(work, tmp_path):
    path = queries_folder(tmp_path, IDENTITY) / "qrels.parquet"
    judgements(tmp_path)(work)
    first, written = path.read_bytes(), path.stat().st_ino
    judgements(tmp_path)(work)
    untouched = path.stat().st_ino == written
    judgements(tmp_path, OTHER)(work)
    both = kept(tmp_path, "qrels.parquet")
    changed = path.read_bytes()
    judgements(tmp_path, OTHER, of="2")(work)

    assert untouched
    assert both[:-1] == OWN_ROWS
    assert len({first, changed, path.read_bytes()}) == 3


def ranked(tmp_path, run: str, split: str, documents: list[int]) -> str:
    import numpy as np

    folder = tmp_path / "runs" / run
    folder.mkdir(parents=True)
    table = np.array([documents], dtype=np.int32)
    ranking = Ranking(split, ("p",), TOYS["own"].document_ids, table, np.zeros(table.shape, dtype=np.float32))
    write_rankings(folder / "rankings.parquet", [ranking])
    return run


def test_texts_are_those_of_test_queries_relevant_documents_and_the_first_three_of_each_run(work, tmp_path):
    runs = (ranked(tmp_path, "one", "test", [1, 0, 4, 5]), ranked(tmp_path, "two", "dev", [2, 2, 2]))

    TextsJob(OWN, IDENTITY, runs, tmp_path, 1)(work)

    assert kept(tmp_path, "texts.parquet") == [
        ["query", "p", "asks p"],
        ["query", "q", "asks q"],
        ["document", "a", "text a"],
        ["document", "b", "x" * LONGEST_TEXT],
        ["document", "d", "x" * (LONGEST_TEXT - 1) + "…"],
        ["document", "e", "half a pair ?"],
    ]


def test_texts_are_due_when_other_runs_have_finished_or_the_file_is_damaged(work, tmp_path):
    one, two = (ranked(tmp_path, run, "test", [place]) for place, run in enumerate(("one", "two")))
    job, more = (TextsJob(OWN, IDENTITY, runs, tmp_path, 1) for runs in ((one,), (one, two)))

    before = job.done
    job(work)
    after = job.done, more.done
    path = queries_folder(tmp_path, IDENTITY) / "texts.parquet"
    path.write_bytes(path.read_bytes()[:-4])

    assert not before
    assert after == (True, False)
    assert not job.done


def test_a_split_without_judgements_leaves_an_empty_table(work, tmp_path, monkeypatch):
    monkeypatch.setitem(TOYS, "own", Collection("own", ("a",), ("t",), ("p",), ("s",)))

    judgements(tmp_path)(work)

    assert kept(tmp_path, "qrels.parquet") == []
