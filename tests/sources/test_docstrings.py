import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.collection import Collection, normalised
from harness.errors import DataError
from harness.registry import DATASETS
from harness.sources import docstrings
from harness.sources.docstring_reader import WORD
from harness.sources.docstrings import Docstrings
from harness.sources.near_identical import similar_pairs

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def installed() -> Collection:
    return Docstrings().load()


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package of 30 functions, of which each third shares its summary with the one before."""
    folder = tmp_path / "winnow_made_up"
    folder.mkdir()
    lines: list[str] = []
    for number in range(30):
        summary = f"Compute made up quantity number {number - (number % 3 == 2)}."
        body = " ".join(f"w{number}x{at}" for at in range(25))
        lines.append(f'def f{number}():\n    """{summary}\n\n    {body}\n    """\n')
    (folder / "__init__.py").write_text("".join(lines), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(docstrings, "PACKAGES", {"winnow_made_up": "numpy"})
    yield
    sys.modules.pop("winnow_made_up", None)


def small(**changes: int) -> Docstrings:
    sizes = {"train_pairs": 8, "dev_queries": 4, "test_queries": 5, "documents": 25, **changes}
    return Docstrings(**sizes)


def documents_of(collection: Collection, split: str) -> set[int]:
    return set(collection.split(split).document.tolist())


def test_the_sizes_asked_for_are_met(installed: Collection) -> None:
    assert [len(installed.split(name).queries) for name in SPLITS] == [2000, 300, 400]
    assert len(installed.document_ids) == 5000


def test_each_query_has_one_labelled_positive_in_every_split(installed: Collection) -> None:
    for name in SPLITS:
        rows = installed.split(name)

        assert set(Counter(rows.query[rows.labelled].tolist()).values()) == {1}
        assert rows.labelled.sum() == len(rows.queries)
        assert rows.concealed.sum() == len(rows.query) - len(rows.queries) > 0


def test_a_third_of_the_train_queries_has_hidden_positives(installed: Collection) -> None:
    rows = installed.split("train")

    share = len(set(rows.query[rows.hidden].tolist())) / len(rows.queries)

    assert 0.3 <= share <= 0.45


def test_summaries_and_bodies_are_distinct(installed: Collection) -> None:
    for texts in (installed.query_texts, installed.document_texts):
        assert len({normalised(text) for text in texts}) == len(texts)


def test_no_document_and_no_near_identical_body_straddles_splits(installed: Collection) -> None:
    home = {document: name for name in SPLITS for document in documents_of(installed, name)}
    judged = sorted(home)
    tokens = [frozenset(WORD.findall(normalised(installed.document_texts[document]))) for document in judged]

    straddling = [
        (judged[left], judged[right])
        for left, right in similar_pairs(tokens, 0.7)
        if home[judged[left]] != home[judged[right]]
    ]

    assert sum(len(documents_of(installed, name)) for name in SPLITS) == len(home)
    assert straddling == []


def test_no_query_shares_its_id_with_a_document(installed: Collection) -> None:
    assert set(installed.query_ids).isdisjoint(installed.document_ids)


def test_another_process_with_another_hash_seed_reads_the_same_bytes(installed: Collection) -> None:
    code = "from harness.sources.docstrings import Docstrings; print(Docstrings().load().digest)"
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }

    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout

    assert installed.digest == printed.strip()


@pytest.mark.usefixtures("made_up")
def test_train_takes_the_queries_with_hidden_positives_first() -> None:
    natural = small(train_pairs=11).load().split("train")
    fewer = small(train_pairs=2).load().split("train")

    assert 0 < len(set(natural.query[natural.hidden].tolist())) < 11
    assert len(set(fewer.query[fewer.hidden].tolist())) == 2


@pytest.mark.usefixtures("made_up")
def test_another_seed_divides_otherwise_and_the_same_seed_the_same() -> None:
    assert small(seed=1).load().digest == small(seed=1).load().digest
    assert small(seed=1).load().digest != small(seed=2).load().digest


@pytest.mark.usefixtures("made_up")
def test_documents_relevant_to_a_chosen_query_stay_in_a_corpus_of_any_size() -> None:
    tight = small(documents=1).load()

    judged = set().union(*(documents_of(tight, name) for name in SPLITS))
    assert judged == set(range(len(tight.document_ids)))
    assert len(small(documents=28).load().document_ids) == 28


@pytest.mark.usefixtures("made_up")
def test_asking_for_more_queries_than_there_are_says_how_many_there_are() -> None:
    with pytest.raises(DataError, match=r"train_pairs=12, found 11$"):
        small(train_pairs=12).load()
    with pytest.raises(DataError, match=r"dev_queries=4, found 0; test_queries=21, found 20$"):
        small(train_pairs=1, test_queries=21).load()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docstrings, "PACKAGES", {"no_such_package": "no-such-distribution"})

    with pytest.raises(DataError, match="no_such_package"):
        Docstrings().identity()
    with pytest.raises(DataError, match="no_such_package"):
        Docstrings().load()


def test_identity_changes_with_each_parameter_and_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [Docstrings()]
    sources += [
        Docstrings(**{name: 77}) for name in ("train_pairs", "dev_queries", "test_queries", "documents", "seed")
    ]
    sources += [Docstrings(jaccard=0.8)]
    identities = [source.identity() for source in sources]
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0")
    identities.append(Docstrings().identity())

    assert len(set(identities)) == len(identities)


def test_identity_imports_none_of_the_packages() -> None:
    code = (
        "import sys; from harness.sources.docstrings import Docstrings; Docstrings().identity(); "
        "print(sorted({'scipy', 'pandas', 'sklearn', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout

    assert printed.strip() == "[]"


def test_it_is_registered_and_refuses_unknown_and_out_of_range_parameters() -> None:
    assert DATASETS["docstrings"].factory is Docstrings
    with pytest.raises(ValidationError, match="jaccard"):
        Docstrings(jaccard=0.4)
    with pytest.raises(ValidationError, match="shuffle"):
        Docstrings(shuffle=True)  # type: ignore[call-arg]
