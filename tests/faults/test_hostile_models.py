"""Model folders that bring code or pickles: refused in one line, and nothing of them is carried out."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.registry import BASES, TEACHERS

CODE = """
import os

os.mkdir({told!r})

from transformers import BertConfig, BertForSequenceClassification, BertModel


class Custom(BertForSequenceClassification):
    pass
"""


class Touch:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (self._path,)


def with_code_of_its_own(folder: Path, told: Path) -> None:
    (folder / "custom.py").write_text(CODE.format(told=str(told)))
    config = json.loads((folder / "config.json").read_text())
    names = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoTokenizer")
    config |= {"auto_map": dict.fromkeys(names, "custom.Custom"), "model_type": "custom-never-heard-of"}
    (folder / "config.json").write_text(json.dumps(config))


def with_a_module_of_its_own(folder: Path, told: Path) -> None:
    (folder / "custom.py").write_text(CODE.format(told=str(told)))
    modules = [{"idx": 0, "name": "0", "path": "", "type": "custom.Custom"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    versions = {"__version__": {"sentence_transformers": "5.0.0"}, "model_type": "SentenceTransformer"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(versions))


def with_pickled_weights(folder: Path, told: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(str(told))))


def with_torn_weights(folder: Path, told: Path) -> None:
    del told
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


DOORS = {
    "base": lambda path: BASES.create("encoder", {"path": path}).load(max_length=8, texts=["a"]),
    "teacher": lambda path: TEACHERS.create("sentence_transformer", {"path": path}).encoder(),
    "cross": lambda path: TEACHERS.create("cross_encoder", {"path": path, "first": {"name": "bm25"}}).encoder(),
}


HARMS = [with_code_of_its_own, with_a_module_of_its_own, with_pickled_weights, with_torn_weights]


@pytest.mark.parametrize(
    ("door", "harm"),
    [(door, harm) for door in DOORS for harm in HARMS if (door, harm) != ("cross", with_a_module_of_its_own)],
)
def test_a_hostile_model_is_refused_in_one_line_and_not_carried_out(sound, tmp_path, monkeypatch, door, harm):
    folder, told = Path(shutil.copytree(sound, tmp_path / "model")), tmp_path / "told"
    harm(folder, told)
    monkeypatch.chdir(folder)  # where Python would find a module of that name

    with pytest.raises(ModelError, match=r"cannot load the [a-z-]+ /.*/model: \S") as error:
        DOORS[door](str(folder))

    assert "\n" not in str(error.value)
    assert not told.exists()


def test_a_cross_encoder_is_loaded_without_the_module_that_its_folder_names(sound, tmp_path):
    folder, told = Path(shutil.copytree(sound, tmp_path / "model")), tmp_path / "told"
    with_a_module_of_its_own(folder, told)

    encoder = DOORS["cross"](str(folder))

    assert type(encoder[0]).__module__.startswith("sentence_transformers.")
    assert not told.exists()


@pytest.mark.parametrize("door", list(DOORS))
def test_pickles_beside_sound_weights_are_not_looked_at(sound, tmp_path, door):
    folder, told = Path(shutil.copytree(sound, tmp_path / "model")), tmp_path / "told"
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "tokenizer.pkl"):
        (folder / name).write_bytes(pickle.dumps(Touch(str(told))))

    DOORS[door](str(folder))

    assert not told.exists()
    pickle.loads(pickle.dumps(Touch(str(told))))  # noqa: S301
    assert told.exists()  # so it would have gone off
