"""What is named on a command line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.arguments import ArgumentReader, short_label, typed
from harness.errors import ConfigError
from harness.mining.margin import TopKPercPos
from harness.mining.sampled import SimANS
from harness.parameters import parameters
from harness.recipes import RECIPES
from harness.registry import DATASETS, MINERS, TEACHERS
from harness.sources.synthetic import Synthetic
from harness.spec import MiningSpec


@pytest.fixture
def reader() -> ArgumentReader:
    return ArgumentReader()


def beir(folder):
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "name", "some"),
    [
        ("synthetic", "synthetic", {"queries": 40}),
        ("docstrings:train_pairs=500,seed=3", "docstrings", {"train_pairs": 500, "seed": 3}),
        ("mteb:NFCorpus", "mteb_task", {"task": "NFCorpus", "subset": "default"}),
        ("mteb:MIRACLRetrieval:subset=de,test=dev", "mteb_task", {"subset": "de", "test": "dev"}),
        ("own.parquet", "pairs", {"path": "own.parquet", "corpus": ""}),
        ("C:/data/own.csv", "pairs", {"path": "C:/data/own.csv"}),
        ("beir_folder:path=x,hide_positives=1", "beir_folder", {"path": "x", "hide_positives": 1}),
        ("beir_folder:path=x,hide_positives=null", "beir_folder", {"path": "x", "hide_positives": None}),
    ],
)
def test_data_is_a_name_or_a_file(reader, text, name, some):
    found = reader.dataset(text)

    assert reader.mistakes == []
    assert (found.name, {key: found.params[key] for key in some}) == (name, some)


def test_a_folder_with_a_corpus_is_in_beir_format(reader, tmp_path):
    folder = beir(tmp_path / "mine: a set")

    assert reader.dataset(str(folder)).params["path"] == str(folder)
    assert reader.dataset(f"{folder}:hide_positives=7").params["hide_positives"] == 7
    assert reader.mistakes == []


def test_a_folder_without_a_corpus_is_no_data(reader, tmp_path):
    assert reader.dataset(str(tmp_path)) is None
    assert reader.mistakes == [f"DATA: the folder '{tmp_path}' holds no corpus.jsonl, so it is not in BEIR format"]


def test_a_corpus_goes_with_pairs_alone(reader):
    assert reader.dataset("own.jsonl", "more.jsonl").params["corpus"] == "more.jsonl"
    assert reader.mistakes == []
    reader.dataset("synthetic", "more.jsonl")

    assert reader.mistakes == ["--corpus goes with a file of pairs, not with 'synthetic'"]


def test_a_path_is_a_teacher(reader, tmp_path):
    (found,) = reader.teachers([f"{tmp_path}:query_prompt=find, quickly: ,max_length=32"])

    assert found.name == "sentence_transformer"
    assert (found.params["path"], found.params["max_length"]) == (str(tmp_path), 32)
    assert found.params["query_prompt"] == "find, quickly: "


def test_a_maximum_length_holds_for_every_teacher_that_has_one_unless_it_says_otherwise(reader):
    found = reader.teachers(["minilm", "bm25", "minilm:max_length=64"], max_length=32)

    assert [each.params.get("max_length") for each in found] == [32, None, 64]
    assert reader.mistakes == []


def test_a_setting_holds_for_every_miner_that_has_it(reader):
    found = reader.miners(["topk", "topk_percpos:share=0.9", "random:k=2"], ["k=8", "boundary=at_or_below"])

    assert [each.params["k"] for each in found] == [8, 8, 2]
    assert (found[1].params["share"], found[1].params["boundary"]) == (0.9, "at_or_below")
    assert reader.mistakes == []


def test_all_mistakes_are_told_at_once(reader):
    reader.dataset("synthetik")
    reader.teachers(["minlm", "bm25"], max_length=32)
    reader.miners(["topk_percpo", "topk_percpos:share=2"], ["kk=3", "k", "k=1", "k=2"])
    reader.within("--depth", 0, MiningSpec, "depth")

    with pytest.raises(ConfigError) as caught:
        reader.raise_if_any()
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0].split()[0] for line in lines] == [
        "DATA",
        "--teacher",
        "--max-length",
        "--miner",
        "--set",
        "--set",
        "--miner",
        "--set",
        "--depth",
    ]
    assert lines[0].endswith("did you mean 'synthetic'?")
    assert "did you mean 'minilm'?" in lines[1]
    assert lines[2] == "--max-length: bm25 has no parameter 'max_length' (allowed: b, k1)"
    assert "did you mean 'topk_percpos'?" in lines[3]
    assert lines[4] == "--set: expected parameter=value, got 'k'"
    assert lines[5] == "--set: k is given twice, as '1' and '2'"
    assert lines[6] == "--miner: miner 'topk_percpos': share must be in [0.0, 1.1], got 2"
    assert "'kk'; did you mean 'k'?" in lines[7]
    assert lines[8] == "--depth must be in [1, 10000], got 0"


def test_no_mistake_raises_nothing(reader):
    reader.raise_if_any()


def test_a_strategy_that_refuses_its_parameters_is_a_mistake_like_others(reader):
    assert reader.teachers(["sentence_transformer"]) == []
    told = "teacher 'sentence_transformer': is refused: give either `path` (a local folder) or `model` (a hub id)"
    assert reader.mistakes == [f"--teacher: {told}"]


def test_a_recipe_stands_for_its_miner(reader):
    found = reader.miners(["nv_retriever_abs", "dpr_bm25"], ["k=3"])

    assert [each.name for each in found] == ["topk_abs", "topk"]
    assert (found[0].params["threshold"], found[0].params["k"]) == (0.7, 3)
    assert found[1].params["k"] == 1, "what a recipe fixes is not set anew"
    assert reader.mistakes == []


def test_what_is_said_of_a_recipe_outweighs_it(reader):
    (found,) = reader.miners(["nv_retriever_abs:threshold=0.5"])

    assert (found.name, found.params["threshold"]) == ("topk_abs", 0.5)


def test_the_teacher_of_a_recipe_is_used_and_no_other(reader):
    reader.miners(["dpr_bm25"])

    assert reader.teacher_of_recipe([]) == "bm25"
    assert reader.teacher_of_recipe(["minilm", "bm25:k1=2"]) == "bm25"
    assert reader.mistakes == []
    reader.teacher_of_recipe(["minilm:max_length=64"])
    assert reader.mistakes == ["--miner dpr_bm25: the recipe has the teacher bm25, got --teacher minilm"]


def test_a_recipe_without_mining_is_no_miner(reader):
    assert reader.miners(["in_batch"]) == []
    assert reader.mistakes == ["--miner: the recipe 'in_batch' mines no negatives"]


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.arm["miner"] != "none"])
def test_every_recipe_that_mines_can_be_named(reader, name):
    assert len(reader.miners([name])) == 1
    assert reader.mistakes == []


@pytest.mark.parametrize("registry", [DATASETS, TEACHERS, MINERS], ids=lambda registry: registry.kind)
def test_the_default_of_every_parameter_survives_being_written_as_text(registry):
    for entry in registry:
        known = [each for each in parameters(entry.factory) if not each.required]
        texts = {
            each.name: each.default if isinstance(each.default, str) else json.dumps(each.default) for each in known
        }

        assert typed(entry.factory, texts) == {each.name: each.default for each in known}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e-1", 0.1), (".5", 0.5), ("1", 1), ("-1", -1), ("+2.", 2.0), ("nan", "nan"), ("inf", "inf"), ("1_0", "1_0")],
)
def test_numbers_are_written_plainly(text, expected):
    found = typed(TopKPercPos, {"share": text})["share"]

    assert (found, type(found)) == (expected, type(expected))


def test_what_fits_no_type_stays_text():
    assert typed(TopKPercPos, {"k": "4.5", "boundary": "above", "unknown": "1"}) == {
        "k": "4.5",
        "boundary": "above",
        "unknown": "1",
    }
    assert typed(TopKPercPos, {"k": "9" * 5000}) == {"k": "9" * 5000}
    assert typed(Synthetic, {"empty_document": "False"}) == {"empty_document": False}
    assert typed(SimANS, {"share": "None"}) == {"share": None}


@given(st.text())
def test_no_text_breaks_the_reader(text):
    reader = ArgumentReader()
    reader.dataset(text)
    reader.miners([text], [text])
    reader.teachers([text])

    assert all("\n" not in mistake for mistake in reader.mistakes)


def test_a_short_label_leaves_out_what_is_usual(reader):
    (found,) = reader.miners(["topk_percpos:share=0.9,k=4"])

    assert short_label(MINERS, found) == "topk_percpos(share=0.9)"
