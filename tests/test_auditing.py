import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pytest

from harness.audit.records import AuditReport
from harness.auditing import AuditPaths, audit_collection, default_miners, run_audit, subject
from harness.collection import Collection, Judgements
from harness.errors import ConfigError, DataError, NumericError
from harness.mining.base import Miner
from harness.mining.margin import TopKPercPos
from harness.mining.rank import Random, TopK, TopKShifted
from harness.registry import MINERS
from harness.reporting.audit_text import answer, summary
from harness.reporting.terminal import columns_of
from harness.sources.synthetic import Synthetic
from harness.store import Store
from harness.teachers.base import Candidates, Workspace
from harness.teachers.lexical import BM25

COLLECTION = Synthetic(queries=50, documents=300).load()
RELEVANT_ONLY = replace(
    COLLECTION,
    splits={
        split: Judgements(
            query=rows.query[rows.grade > 0],
            document=rows.document[rows.grade > 0],
            grade=rows.grade[rows.grade > 0],
            hidden=rows.hidden[rows.grade > 0],
        )
        for split, rows in COLLECTION.splits.items()
    },
)
TEACHERS = [("words", BM25()), ("short", BM25(b=0.0))]


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


def audited(work: Workspace, collection: Collection = RELEVANT_ONLY, **settings) -> AuditReport:
    return audit_collection(collection, TEACHERS[:1], default_miners(2), work=work, **settings)


@pytest.fixture(scope="session")
def paths(work: Workspace, tmp_path_factory: pytest.TempPathFactory) -> AuditPaths:
    return run_audit(
        RELEVANT_ONLY, TEACHERS, default_miners(2), work=work, depth=60, out=tmp_path_factory.mktemp("out")
    )


def pages(pdf: Path) -> list[str]:
    return [re.sub(r"\s+", " ", page.extract_text().replace("\u200b", "")) for page in pypdf.PdfReader(pdf).pages]


def test_json_holds_what_the_pages_say_and_reads_back(paths: AuditPaths):
    report = AuditReport.model_validate_json(paths.json.read_text())
    first = pages(paths.pdf)[0]

    assert [audit.teacher for audit in report.teachers] == ["words", "short"]
    assert "How many mined negatives of synthetic are false, and what removes them?" in first
    for audit in report.teachers:
        assert audit.naive.contamination is not None
        assert f"{100 * audit.naive.contamination.value:.1f} %" in first
        for item in audit.strategies:
            assert item.contamination is None or f"{100 * item.contamination.value:.1f} % [" in first
    assert "-0." not in first


def test_an_audit_of_two_teachers_takes_at_most_three_pages(paths: AuditPaths):
    assert len(pages(paths.pdf)) <= 3


def test_every_figure_comes_as_svg_png_and_data(paths: AuditPaths):
    names = {path.name for path in paths.figures}

    for stem in ("trade-off", "scores-1-words", "scores-2-short", "agreement"):
        assert {f"{stem}.svg", f"{stem}.png", f"{stem}.csv"} <= names
    assert all(path.stat().st_size > 60 for path in paths.figures)


def test_the_same_audit_gives_the_same_bytes_and_leaves_no_drafts(paths: AuditPaths, work: Workspace, tmp_path: Path):
    again = run_audit(RELEVANT_ONLY, TEACHERS, default_miners(2), work=work, depth=60, out=tmp_path)

    for old, new in zip((paths.pdf, paths.json, *paths.figures), (again.pdf, again.json, *again.figures), strict=True):
        assert new.read_bytes() == old.read_bytes()
    assert again.text == paths.text
    assert not list(tmp_path.rglob(".*"))


def test_another_seed_gives_other_intervals_but_the_same_shares(work: Workspace):
    one, other = (audited(work, seed=seed).teachers[0] for seed in (0, 1))
    rates = [[point.contamination for curve in each.curves for point in curve.points] for each in (one, other)]

    assert [rate and rate.value for rate in rates[0]] == [rate and rate.value for rate in rates[1]]
    assert rates[0] != rates[1]


def test_the_summary_fits_a_terminal_and_names_every_strategy(paths: AuditPaths):
    lines = paths.text.splitlines()

    assert max(map(columns_of, lines)) <= 80
    for name, _ in default_miners():
        assert sum(line.startswith(name + " ") for line in lines) == 2


def test_the_naive_contamination_agrees_with_a_loop(work: Workspace):
    report = audited(work)
    rows = RELEVANT_ONLY.split("train")
    hidden = {(int(q), int(d)) for q, d, h in zip(rows.query, rows.document, rows.hidden, strict=True) if h}
    negatives = wrong = 0
    from harness.teachers.base import build_pool

    pool = build_pool(BM25(), RELEVANT_ONLY, "train", 100, work)
    for row, query in enumerate(pool.query.tolist()):
        taken = [int(d) for d, able in zip(pool.document[row], pool.eligible[row], strict=True) if able][:2]
        negatives += len(taken)
        wrong += sum((query, document) in hidden for document in taken)

    (audit,) = report.teachers

    assert wrong > 0
    assert audit.naive_counted.hidden == wrong
    assert audit.naive_counted.total == negatives
    assert report.truth == "hidden"


def test_judged_documents_are_truth_and_the_rest_is_unknown(work: Workspace, tmp_path: Path):
    report = audited(work, COLLECTION)
    out = run_audit(COLLECTION, TEACHERS[:1], default_miners(2), work=work, out=tmp_path)

    naive = report.teachers[0].strategies[0]
    assert report.truth == "judged"
    assert naive.bounds is not None
    assert naive.counted.unknown > 0
    assert "unknown" in out.text
    assert "Bounds" in pages(out.pdf)[0]


def test_without_hidden_positives_nothing_is_claimed(work: Workspace, tmp_path: Path):
    rows = RELEVANT_ONLY.split("train")
    bare = replace(
        RELEVANT_ONLY,
        splits={
            "train": Judgements(
                query=rows.query[~rows.hidden],
                document=rows.document[~rows.hidden],
                grade=rows.grade[~rows.hidden],
                hidden=rows.hidden[~rows.hidden],
            )
        },
    )

    out = run_audit(bare, TEACHERS[:1], default_miners(2), work=work, out=tmp_path)

    assert AuditReport.model_validate_json(out.json.read_text()).truth == "none"
    assert "contamination cannot be measured" in pages(out.pdf)[0]
    assert "suits" not in out.text


def test_no_candidates_at_all_is_an_audit_of_nothing(work: Workspace, tmp_path: Path):
    lonely = Collection("lonely", ("a",), ("one text",), ("q",), ("one",), {"train": Judgements.of([(0, 0, 1, False)])})

    out = run_audit(lonely, TEACHERS, default_miners(2), work=work, out=tmp_path)

    report = AuditReport.model_validate_json(out.json.read_text())
    assert [item.empty for item in report.teachers[0].strategies] == [1] * len(default_miners())
    assert report.agreement.jaccard == ((None, None), (None, None))


def test_a_split_without_pairs_is_refused(work: Workspace):
    with pytest.raises(DataError, match="the nothing split has no labelled pair"):
        audited(work, split="nothing")


HOSTILE = ['#read("secret.txt")', "*bold*", "$x$ @fig", "// gone", "long_name_" * 9, "two\nlines", "<b>&amp;\\end{x}"]


def test_hostile_names_are_printed_and_never_run(work: Workspace, tmp_path: Path):
    miners: list[tuple[str, Miner]] = [(name, TopKPercPos(k=2)) for name in HOSTILE]
    collection = replace(RELEVANT_ONLY, name='#panic("x") *y*')

    out = run_audit(collection, [("#eval($1$)", BM25())], miners, work=work, out=tmp_path)

    text = re.sub(r"\s+", "", " ".join(pages(out.pdf)))
    for name in (*HOSTILE, collection.name, "#eval($1$)"):
        assert re.sub(r"\s+", "", name) in text
    assert max(map(columns_of, out.text.splitlines())) <= 80
    assert {path.parent for path in out.figures} == {tmp_path / "figures"}


@pytest.mark.parametrize(
    ("teachers", "miners", "expected"),
    [
        ([], [("a", TopK())], "at least one teacher"),
        ([("a", BM25()), ("a", BM25())], [("a", TopK())], "each teacher needs a name of its own, got 'a' again"),
        ([("a", BM25())], [("a", TopK()), ("a", TopKShifted())], "each miner needs a name of its own"),
        ([("a", BM25())], [("a", TopK(k=2)), ("b", TopK(k=3))], "the same number of negatives, got k=2, 3"),
        ([("a", BM25())], [], "at least one miner"),
    ],
)
def test_what_cannot_be_compared_is_refused(teachers, miners, expected, work: Workspace):
    with pytest.raises(ConfigError, match=expected):
        audit_collection(RELEVANT_ONLY, teachers, miners, work=work)


def test_random_negatives_are_scored_by_the_teacher(work: Workspace):
    report = audit_collection(RELEVANT_ONLY, TEACHERS[:1], [("random", Random(k=2))], work=work)

    (item,) = report.teachers[0].strategies
    assert item.hardness is not None
    assert item.hardness < (report.teachers[0].naive.hardness or 0.0)


class Broken(BM25):
    """Scores positives, and nothing else."""

    def score(self, collection, queries, documents, work):
        scores = super().score(collection, queries, documents, work)
        rows = collection.split("train")
        positive = set(zip(rows.query.tolist(), rows.document.tolist(), strict=True))
        able = [pair in positive for pair in zip(queries.tolist(), documents.tolist(), strict=True)]
        return np.where(able, scores, np.nan).astype(np.float32)

    def search(self, collection, queries, depth, work) -> Candidates:
        return super().search(collection, queries, depth, work)

    def identity(self) -> str:
        return "broken"


def test_a_teacher_that_scores_random_negatives_with_nan_stops_the_audit(work: Workspace):
    with pytest.raises(NumericError, match="NaN"):
        audit_collection(RELEVANT_ONLY, [("t", Broken())], [("random", Random(k=2))], work=work)


def test_the_default_miners_are_registered_and_ask_for_k():
    for name, miner in default_miners(3):
        assert MINERS[name].factory is type(miner)
        assert miner.k == 3


def test_a_subject_hides_all_but_one_positive_of_the_split_alone():
    known = replace(RELEVANT_ONLY.split("test"), hidden=np.zeros_like(RELEVANT_ONLY.split("test").hidden))
    collection = replace(RELEVANT_ONLY, splits={**RELEVANT_ONLY.splits, "test": known})
    split = subject(collection, split="test", hide=7)

    rows, before = split.split("test"), collection.split("test")
    assert np.bincount(rows.query[rows.labelled]).max() == 1
    assert (rows.grade == before.grade).all()
    assert split.split("train") is RELEVANT_ONLY.split("train")
    hidden = [subject(collection, split="test", hide=seed).split("test").hidden for seed in (7, 7, 8)]
    assert (hidden[0] == hidden[1]).all()
    assert (hidden[0] != hidden[2]).any()


def test_a_subject_of_some_queries_keeps_their_judgements_and_drops_all_else():
    some = subject(COLLECTION, queries=7, seed=3)
    again, other = subject(COLLECTION, queries=7, seed=3), subject(COLLECTION, queries=7, seed=4)

    def judged(collection: Collection, among: tuple[str, ...]) -> set[tuple[str, str, int, bool]]:
        rows = collection.split("train")
        columns = zip(rows.query, rows.document, rows.grade, rows.hidden, strict=True)
        every = {(collection.query_ids[q], collection.document_ids[d], int(g), bool(h)) for q, d, g, h in columns}
        return {row for row in every if row[0] in among}

    assert len(some.query_ids) == 7
    assert list(some.splits) == ["train"]
    assert some.query_ids == again.query_ids != other.query_ids
    assert judged(some, some.query_ids) == judged(COLLECTION, some.query_ids)
    assert len(subject(COLLECTION, queries=10**6).query_ids) == len(np.unique(COLLECTION.split("train").query))


def test_the_answer_names_the_hardest_setting_that_halves(work: Workspace):
    report = audited(work)
    halved = [curve.halving for curve in report.teachers[0].curves if curve.halving is not None]
    words = "".join(piece for sentence in answer(report)[0] for piece in sentence)

    assert halved
    best = max(point.hardness or 0.0 for point in halved)
    (curve,) = [
        curve for curve in report.teachers[0].curves if curve.halving is not None and curve.halving.hardness == best
    ][:1]
    assert curve.miner in words
    assert summary(report).count("With words") == 1


def test_numbers_in_json_are_finite(paths: AuditPaths):
    json.loads(paths.json.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in audit.json"))
