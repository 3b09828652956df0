"""Code that comes with a model: run where a sweep says so and the model's identity covers it, and nowhere else."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
from test_hostile_models import Touch

from harness.cli import main
from harness.config import load_sweep
from harness.errors import ConfigError, ModelError
from harness.plan import make_plan
from harness.registry import BASES, TEACHERS
from harness.spec import Component
from harness.trusted import trusted

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = """
import os

os.mkdir({told!r})

from sentence_transformers.sentence_transformer.modules import Transformer
from transformers import BertForSequenceClassification


class Custom(BertForSequenceClassification):
    pass


class Module(Transformer):
    pass
"""
KINDS = {
    "base": (BASES, "encoder"),
    "teacher": (TEACHERS, "sentence_transformer"),
    "cross": (TEACHERS, "cross_encoder"),
}
TRUSTED = {"trust_remote_code": True}


def made(kind: str, **settings):
    registry, name = KINDS[kind]
    return registry.create(name, settings | ({"first": {"name": "bm25"}} if kind == "cross" else {}))


def loaded(kind: str, **settings):
    model = made(kind, **settings)
    return model.load(max_length=8, texts=["a"]) if kind == "base" else model.encoder()


def identity(kind: str, **settings) -> str:
    return made(kind, **settings).identity()


def write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(sound, tmp_path, monkeypatch) -> Path:
    """A sound model with code of its own, which makes the folder `told` beside it when it is run."""
    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    (folder / "custom.py").write_text(CODE.format(told=str(tmp_path / "told")))
    config = json.loads((folder / "config.json").read_text())
    write(folder / "config.json", config | {"auto_map": {"AutoModelForSequenceClassification": "custom.Custom"}})
    module = {"idx": 0, "name": "0", "path": "", "type": "custom.Module"}
    pooling = "sentence_transformers.sentence_transformer.modules.Pooling"
    write(folder / "modules.json", [module, {"idx": 1, "name": "1", "path": "1_Pooling", "type": pooling}])
    write(folder / "1_Pooling" / "config.json", {"embedding_dimension": 16, "pooling_mode": "mean"})
    versions = {"__version__": {"sentence_transformers": "5.0.0"}, "model_type": "SentenceTransformer"}
    write(folder / "config_sentence_transformers.json", versions)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return folder


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_code_of_a_folder_is_run_where_the_sweep_says_so(folder, kind):
    model = loaded(kind, path=str(folder), **TRUSTED)

    assert type(model.model if kind == "cross" else model[0]).__name__ == ("Custom" if kind == "cross" else "Module")
    assert (folder.parent / "told").exists()


@pytest.mark.parametrize("kind", ["base", "teacher"])
def test_without_a_word_of_the_sweep_it_is_not(folder, kind):
    with pytest.raises(ModelError, match=r"cannot load the encoder .*third-party code"):
        loaded(kind, path=str(folder))

    assert not (folder.parent / "told").exists()


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_edit_of_the_code_makes_another_model(folder, kind):
    before = identity(kind, path=str(folder), **TRUSTED)

    (folder / "custom.py").write_text("class Module: ...")

    assert identity(kind, path=str(folder), **TRUSTED) != before
    assert not (folder.parent / "told").exists()


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_model_that_runs_its_code_is_another_one_than_the_same_that_does_not(folder, kind):
    hub = {"model": "nobody/nothing", "revision": COMMIT}

    for source in ({"path": str(folder)}, hub):
        plainly = identity(kind, **source)
        assert identity(kind, **source, trust_remote_code=False) == plainly
        assert identity(kind, **source, **TRUSTED) != plainly


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:7], COMMIT.upper(), COMMIT + "0"])
def test_a_hub_model_runs_its_code_at_a_full_commit_alone(kind, revision):
    with pytest.raises(ConfigError, match=rf"the full commit of a/b, 40 hexadecimal digits, got '{revision}'"):
        made(kind, model="a/b", revision=revision, **TRUSTED)

    assert made(kind, model="a/b", revision=revision).trust_remote_code is False


def test_a_hub_model_that_is_also_a_folder_here_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)

    with pytest.raises(ConfigError, match="cannot tell the hub's model from the folder of that name here"):
        made("base", model="model", revision=COMMIT, **TRUSTED)


REFERENCES = [
    ("config.json", {"auto_map": {"AutoModel": "other/repo--custom.Module"}}, "'other/repo--custom.Module' is none"),
    ("config.json", {"text": {"auto_map": {"AutoConfig": "x/y--custom.C"}}}, "'x/y--custom.C' is none"),
    ("config.json", {"auto_map": {"AutoModel": "absent.Module"}}, "'absent.Module' is none"),
    ("config.json", {"auto_map": {"AutoModel": "sentence_transformers.Module"}}, "_transformers.Module' is none"),
    ("config.json", {"types": {"a": "optuna.study.Study"}}, "'optuna.study.Study' is none"),
    ("router_config.json", {"types": {"a": "absent.Module"}}, "'absent.Module' is none"),
    ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": [None, "a/b--t.T"]}}, "'a/b--t.T' is none"),
    ("modules.json", [{"type": "absent.Module", "path": ""}], "'absent.Module' is none"),
    ("adapter_config.json", {"base_model_name_or_path": "a/b"}, "base_model_name_or_path 'a/b' leads elsewhere"),
    ("sentence_bert_config.json", {"model_args": {"code_revision": "main"}}, "code_revision 'main' leads elsewhere"),
    ("sentence_bert_config.json", {"tokenizer_name_or_path": "a/b"}, "tokenizer_name_or_path 'a/b' leads elsewhere"),
]


@pytest.mark.parametrize(("file", "content", "told"), REFERENCES)
def test_code_that_is_not_among_the_files_of_the_folder_is_refused(folder, file, content, told):
    write(folder / file, content)

    with pytest.raises(ConfigError, match=rf"{told}.*; so says {file}$"):
        made("base", path=str(folder), **TRUSTED)

    assert made("base", path=str(folder)).path == str(folder)


def test_code_beside_the_folder_is_refused_however_it_is_named(folder):
    (folder.parent / "beside.py").write_text("class Module: ...")

    for name in ("../beside.Module", str(folder.parent / "beside.Module"), "beside.Module"):
        write(folder / "modules.json", [{"type": name, "path": ""}])
        with pytest.raises(ConfigError, match=r"beside\.Module' is none"):
            made("teacher", path=str(folder), **TRUSTED)


def test_a_link_to_a_folder_and_settings_that_cannot_be_read_are_refused(folder):
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "linked").symlink_to(outside)
    with pytest.raises(ConfigError, match="covers no links to folders, as linked is one"):
        made("base", path=str(folder), **TRUSTED)
    (folder / "linked").unlink()
    (folder / "modules.json").write_text("[")
    with pytest.raises(ConfigError, match=r"cannot tell what code modules\.json asks for: it is no JSON"):
        made("base", path=str(folder), **TRUSTED)


def test_code_in_a_folder_of_the_model_and_parts_of_the_library_are_its_own(folder):
    (folder / "code").mkdir()
    shutil.copy(folder / "custom.py", folder / "code")
    names = ["code/custom.Module", "sentence_transformers.sentence_transformer.modules.Router"]

    write(folder / "modules.json", [{"type": name, "path": ""} for name in names])

    assert made("teacher", path=str(folder), **TRUSTED).trust_remote_code is True


@pytest.mark.parametrize("kind", list(KINDS))
def test_pickled_weights_are_refused_with_trusted_code_too(folder, kind):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(str(folder.parent / "unpickled"))))

    with pytest.raises(ModelError, match="cannot load the"):
        loaded(kind, path=str(folder), **TRUSTED)

    assert not (folder.parent / "unpickled").exists()


class AskedError(Exception):
    """Stands for a library that is asked for a model, with what it is told."""


@pytest.fixture
def hub(folder, monkeypatch) -> list:
    """The folder as what the hub has; what is asked of the hub and of the library is noted, nothing is loaded."""
    asked = []

    def snapshot_download(model, *, revision, allow_patterns):
        asked.append((model, revision, allow_patterns))
        return str(folder)

    def stand_in(name, **settings):
        asked.append((name, {key: value for key, value in settings.items() if key != "activation_fn"}))
        raise AskedError

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", stand_in)
    monkeypatch.setattr("sentence_transformers.CrossEncoder", stand_in)
    return asked


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_hub_model_and_its_code_are_loaded_at_the_same_commit(hub, kind):
    with pytest.raises(ModelError, match="AskedError"):
        loaded(kind, model="a/b", revision=COMMIT, **TRUSTED)

    pinned = {"model_kwargs": {"code_revision": COMMIT}, "config_kwargs": {"code_revision": COMMIT}}
    settings = {"revision": COMMIT, "trust_remote_code": True, **pinned}
    assert hub == [("a/b", COMMIT, ["*.json", "*.py"]), ("a/b", settings)]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_hub_model_that_is_not_trusted_is_loaded_as_ever(hub, kind):
    with pytest.raises(ModelError, match="AskedError"):
        loaded(kind, model="a/b", revision="v1.0")

    assert hub == [("a/b", {"revision": "v1.0", "trust_remote_code": False})]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_hub_model_whose_code_lies_in_another_repository_is_not_loaded(hub, folder, kind):
    write(folder / "config.json", {"auto_map": {"AutoModel": "other/repo--custom.Module"}})

    with pytest.raises(ModelError, match=f"a/b at {COMMIT}: .*'other/repo--custom.Module' is none; copy that code"):
        loaded(kind, model="a/b", revision=COMMIT, **TRUSTED)

    assert len(hub) == 1


SWEEP = """\
name: toy
question: Whose code is run?
datasets: {{name: synthetic, queries: 10, documents: 60}}
arms:
  - name: one
    miner: topk
    training: {{epochs: 1}}
    teacher:
      name: sentence_transformer
      {source}
      trust_remote_code: {trust}
    base: static
"""


@pytest.fixture
def sweep(tmp_path):
    def written(source: str, trust: str = "true") -> Path:
        (tmp_path / "toy.yaml").write_text(SWEEP.format(source=source, trust=trust))
        return tmp_path / "toy.yaml"

    return written


def test_a_mistake_about_code_stands_at_its_line(sweep, folder):
    write(folder / "modules.json", [{"type": "a/b--c.D", "path": ""}])

    for source, told in (("model: a/b", "must pin"), ("model: a/b\n      revision: main", "full commit")):
        with pytest.raises(ConfigError, match=rf"toy.yaml:\d+: arms\[0\].teacher is refused: .*{told}") as error:
            load_sweep(sweep(source))
        assert len(str(error.value).splitlines()) == 1
    with pytest.raises(ConfigError, match=r"toy.yaml:8: arms\[0\].teacher is refused: .*'a/b--c.D' is none"):
        load_sweep(sweep(f"path: {folder}"))


def test_a_run_that_trusts_has_another_fingerprint_and_one_that_does_not_has_that_of_a_sweep_that_says_nothing(sweep):
    source = f"model: a/b\n      revision: {COMMIT}"
    runs = {trust: make_plan(load_sweep(sweep(source, trust))).sweep.runs for trust in ("true", "false")}
    teacher = load_sweep(sweep(source, "false")).arms[0].mining.teacher

    assert runs["false"][0].fingerprint != runs["true"][0].fingerprint
    assert "trust_remote_code" not in teacher.params


def test_winnow_plan_names_the_models_whose_code_is_run(sweep, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    source = f"model: a/b\n      revision: {COMMIT}"

    assert main(["plan", str(sweep(source))]) == 0
    assert f"  runs the code of a/b at {COMMIT}\n" in capsys.readouterr().out
    assert main(["plan", str(sweep(source)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model_code"] == [f"a/b at {COMMIT}"]
    assert main(["plan", str(sweep(source, "false"))]) == 0
    assert "runs the code" not in capsys.readouterr().out


def test_trusted_models_are_found_at_any_depth_once_each():
    hub = {"name": "sentence_transformer", "params": {"model": "a/b", "revision": COMMIT, **TRUSTED}}
    local = {"name": "sentence_transformer", "params": {"path": "models/x", "model": "", **TRUSTED}}
    silent = {"name": "sentence_transformer", "params": {"path": "models/y", "trust_remote_code": False}}
    ensemble = Component(name="ensemble", params={"teachers": [hub, local, silent, {"deeper": hub}]})

    assert trusted([ensemble, ensemble]) == [
        f"a/b at {COMMIT}",
        "the folder models/x (its files are part of the identity)",
    ]
    assert trusted([Component.model_validate(silent)]) == []
