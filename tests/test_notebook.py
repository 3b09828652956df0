"""The Python interface: what `import harness` offers."""

import doctest
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import datasets
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import harness
from harness.errors import ConfigError, DataError

GUIDE = Path(__file__).parent.parent / "docs" / "mining.md"
PAIRS = [("capital of France", "Paris is the capital."), ("largest planet", "Jupiter is large.")]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness.MINERS, "_entries", {name: harness.MINERS[name] for name in harness.MINERS.names()})


def test_public_names_are_sorted_and_there():
    assert harness.__all__ == sorted(
        harness.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    assert set(harness.__all__) <= set(dir(harness))
    for name in harness.__all__:
        assert getattr(harness, name) is not None


def test_no_public_name_is_a_module_that_an_import_would_put_in_its_place():
    assert not set(harness.__all__) & {module.name for module in iter_modules(harness.__path__)}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'mien'"):
        harness.mien  # noqa: B018  # looking it up is the point


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, harness; print([name for name in sys.modules if name.startswith('harness.') or name == 'numpy'])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_package_is_typed():
    assert (Path(harness.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("name", ["harness", "harness.notebook", "harness.mined"])
def test_the_examples_of_the_docstrings_run(name):
    failed, tried = doctest.testmod(import_module(name))

    assert (failed, tried > 0) == (0, True)


def test_the_examples_of_the_guide_run():
    failed, tried = doctest.testfile(str(GUIDE), module_relative=False, optionflags=doctest.ELLIPSIS)

    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize("name", harness.__all__)
def test_every_public_name_has_an_example(name):
    own = inspect.getdoc(getattr(harness, name)) or ""
    examples = [
        line for line in (own + GUIDE.read_text(encoding="utf-8")).splitlines() if line.lstrip()[:3] in (">>>", "...")
    ]

    assert any(re.search(rf"\bwinnow\.{name}\b", line) for line in examples)


@pytest.mark.parametrize(
    "data",
    [
        PAIRS,
        [list(pair) for pair in PAIRS],
        {"query": [query for query, _ in PAIRS], "positive": [positive for _, positive in PAIRS]},
        pd.DataFrame(PAIRS, columns=["query", "positive"]),
        datasets.Dataset.from_dict({"anchor": [pair[0] for pair in PAIRS], "positive": [pair[1] for pair in PAIRS]}),
    ],
    ids=["tuples", "lists", "columns", "pandas", "datasets"],
)
@pytest.mark.parametrize(
    "corpus",
    [
        ["Lyon is a city.", "Saturn has rings."],
        {"text": ["Lyon is a city.", "Saturn has rings."]},
        pd.DataFrame({"text": ["Lyon is a city.", "Saturn has rings."]}),
        pd.Series(["Lyon is a city.", "Saturn has rings."]),
        datasets.Dataset.from_dict({"text": ["Lyon is a city.", "Saturn has rings."]}),
    ],
    ids=["list", "columns", "pandas", "series", "datasets"],
)
def test_data_in_memory_of_every_kind_is_the_same_collection(data, corpus):
    found = harness.load(data, corpus)

    assert found.digest == harness.load(PAIRS, ["Lyon is a city.", "Saturn has rings."]).digest
    assert found.document_texts == ("Lyon is a city.", "Saturn has rings.", PAIRS[0][1], PAIRS[1][1])
    assert found.query_texts == (PAIRS[0][0], PAIRS[1][0])


@pytest.mark.parametrize(
    ("data", "corpus", "expected"),
    [
        ([("a", "b", "c")], None, r"item 0: expected \(query, positive\), got \('a', 'b', 'c'\)"),
        (["ab"], None, r"item 0: expected \(query, positive\), got 'ab'"),
        ({"query": ["a"], "positive": []}, None, "the columns differ in length: query 1, positive 0"),
        (7, None, "expected a list, a mapping of columns, a frame or a dataset, got a value of type int"),
        ("synthetic", ["a"], "the corpus of 'synthetic' must be a file too"),
        ("synthetik", None, "did you mean 'synthetic'"),
    ],
)
def test_data_of_no_known_kind_is_refused(data, corpus, expected):
    with pytest.raises(ConfigError, match=expected):
        harness.load(data, corpus)


def test_a_corpus_may_be_a_file_beside_pairs_in_memory(tmp_path):
    (tmp_path / "more.csv").write_text("text\nLyon is a city.\n", encoding="utf-8")

    assert harness.load(PAIRS, "more.csv").digest == harness.load(PAIRS, ["Lyon is a city."]).digest
    with pytest.raises(DataError, match="expected a file that ends in"):
        harness.load(PAIRS, "more")


def test_a_bad_row_is_named_by_its_place():
    with pytest.raises(DataError, match='pairs:1: column "positive": expected text, found nan'):
        harness.load(pd.DataFrame({"query": ["a", "b"], "positive": ["c", float("nan")]}))


def test_hidden_positives_are_hidden_by_the_seed():
    pairs = [("a", f"text {number}") for number in range(20)]

    hidden = [harness.load(pairs, hide=seed).split("train").hidden.tolist() for seed in (0, 0, 1)]

    assert hidden[0] == hidden[1] != hidden[2]
    assert sum(hidden[0]) == 19
    assert not harness.load(pairs).split("train").hidden.any()


def test_a_miner_is_given_its_parameters_in_one_way():
    pool = harness.pool(harness.load("synthetic"), "bm25", depth=20)

    by_keyword = harness.mine(pool, "topk_percpos", share=0.9, k=2)
    by_text = harness.mine(pool, "topk_percpos:share=0.9,k=2")
    assert np.array_equal(by_keyword.negatives.document, by_text.negatives.document)
    assert by_keyword.spec == by_text.spec
    assert harness.mine(pool, "nv_retriever_abs", k=2).miner_label == "topk_abs(k=2)"
    with pytest.raises(ConfigError, match="in one way"):
        harness.mine(pool, "topk_percpos:share=0.9", k=2)
    with pytest.raises(ConfigError, match=r"share must be in \[0.0, 1.1\], got 3"):
        harness.mine(pool, "topk_percpos", share=3)
    with pytest.raises(ConfigError, match="on_shortage must be one of"):
        harness.mine(pool, on_shortage="ignore")


def test_a_pool_of_no_depth_or_no_teacher_is_refused():
    with pytest.raises(ConfigError, match="unknown teacher 'bm26'") as caught:
        harness.pool(harness.load("synthetic"), "bm26", depth=0)
    assert "depth must be at least 1, got 0" in str(caught.value)


def test_a_pool_is_kept_where_it_was_asked_to(tmp_path):
    harness.pool(harness.load("synthetic", cache="own"), "bm25", cache="own")

    assert (tmp_path / "own" / "pool").is_dir()
    assert not (tmp_path / "results").exists()


def test_a_frame_has_a_row_per_pair_and_a_figure_is_drawn():
    mined = harness.mine(harness.pool(harness.load("synthetic"), "bm25", depth=20), "topk_percpos", share=0.9)

    frame = mined.frame()
    assert len(frame) == 24
    assert frame["negative_ids"].map(len).eq(4).all()
    assert isinstance(mined.figure(), Figure)


def test_an_audit_compares_miners_on_one_pool():
    pool = harness.pool(harness.load("synthetic"), "bm25", depth=8)

    found = pool.audit("topk", "topk_percpos:share=0.7", "oracle")

    assert found.index.tolist() == ["topk", "topk_percpos(share=0.7)", "oracle"]
    assert found.loc["oracle", "contamination"] == 0 < found.loc["topk", "contamination"]
    assert found.loc["topk_percpos(share=0.7)", ["full", "partial", "empty"]].tolist() == [6, 11, 7]
    assert found.loc["topk_percpos(share=0.7)", "hardness"] < found.loc["topk", "hardness"]
    open_pool = harness.pool(harness.load(PAIRS, ["Paris Jupiter large planet capital"]), "bm25")
    assert open_pool.audit("topk")["contamination"].isna().all()
