from importlib.util import find_spec

import numpy as np
import pytest
import torch

from harness.errors import ConfigError, ModelError
from harness.losses.info_nce import InfoNCE
from harness.registry import BASES
from harness.spec import TrainingSpec
from harness.teachers.minilm import minilm_folder
from harness.training.contrast import Contrast
from harness.training.trainer import train
from tests.training.toy import DOCUMENTS, QUERIES, data, same, weights

SPEC = TrainingSpec(epochs=1, batch_size=4, learning_rate=0.01)
with_peft = pytest.mark.skipif(find_spec("peft") is None, reason="needs the extra lora")


def base(folder, **settings):
    return BASES.create("encoder", {"path": str(folder), **settings})


def load(folder, **settings):
    return base(folder, **settings).load(max_length=16, texts=())


def test_a_plain_transformers_folder_is_pooled_by_its_mean(plain_encoder_folder):
    model = load(plain_encoder_folder)

    tokens = model.encode(QUERIES[:1], output_value="token_embeddings")[0]

    assert np.allclose(model.encode(QUERIES[0]), tokens.mean(0).cpu().numpy(), atol=1e-5)
    assert model.max_seq_length == 16


def test_another_pooling_takes_the_place_of_the_model_s_own(plain_encoder_folder):
    model = load(plain_encoder_folder, pooling="cls")

    tokens = model.encode(QUERIES[:1], output_value="token_embeddings")[0]

    assert np.allclose(model.encode(QUERIES[0]), tokens[0].cpu().numpy(), atol=1e-5)


def test_the_packaged_model_loads_with_its_own_modules():
    model = load(minilm_folder())

    reference = BASES.create("minilm", {}).load(max_length=16, texts=())

    assert np.allclose(model.encode(QUERIES), reference.encode(QUERIES), atol=1e-6)


def test_every_setting_is_part_of_the_identity(plain_encoder_folder, tmp_path):
    settings = [
        {},
        {"pooling": "cls"},
        {"query_prompt": "q: "},
        {"document_prompt": "q: "},
        {"dtype": "bfloat16"},
    ]

    identities = {base(plain_encoder_folder, **each).identity() for each in settings}

    assert len(identities) == len(settings)
    assert base(plain_encoder_folder, lora_alpha=8).identity() in identities  # no adapter: no effect


def test_prompts_are_put_before_texts_in_training(plain_encoder_folder, monkeypatch):
    embedded = []
    of = Contrast.forward

    def recorded(self, features, labels):
        features = list(features)
        embedded.append((features, labels))
        return of(self, features, labels)

    monkeypatch.setattr(Contrast, "forward", recorded)
    model = load(plain_encoder_folder, query_prompt="sort ", document_prompt="copy axis ")

    train(model, data(), SPEC, InfoNCE(), 0)

    columns, labels = embedded[0]
    for kind, column, texts in (("query", 0, QUERIES), ("document", 1, DOCUMENTS)):
        prefix = model.prompts[kind]
        expected = model.preprocess([prefix + texts[row] for row in labels[:, 0].tolist()])
        assert torch.equal(columns[column]["input_ids"], expected["input_ids"])


def test_a_source_is_required_and_pinned():
    for settings, message in (({}, "either"), ({"model": "a/b"}, "revision"), ({"path": "a", "model": "b"}, "either")):
        with pytest.raises(ConfigError, match=message):
            BASES.create("encoder", settings)
    with pytest.raises(ModelError, match="does not exist"):
        base("nowhere").identity()


def test_adapter_targets_without_an_adapter_are_a_mistake(plain_encoder_folder):
    with pytest.raises(ConfigError, match="no effect without a `lora_rank`"):
        base(plain_encoder_folder, lora_targets=["query"])


def test_an_adapter_without_peft_is_a_clear_mistake(plain_encoder_folder, monkeypatch):
    monkeypatch.setattr("harness.training.bases.encoder.find_spec", lambda _: None)

    with pytest.raises(ConfigError, match=r"needs the package peft: pip install 'winnow\[lora\]'"):
        base(plain_encoder_folder, lora_rank=2)


@with_peft
def test_an_adapter_trains_its_own_weights_alone(plain_encoder_folder):
    settings = {"lora_rank": 2, "lora_targets": ["query", "value"]}
    model, other = load(plain_encoder_folder, **settings), load(plain_encoder_folder, **settings)
    before = weights(model)
    assert same(before, weights(other))

    train(model, data(), SPEC, InfoNCE(), 0)

    after = weights(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert changed == {name for name, each in model.named_parameters() if each.requires_grad}
    assert all("lora_" in name for name in changed)


@with_peft
def test_an_adapter_is_part_of_the_identity(plain_encoder_folder):
    settings = [{}, {"lora_rank": 2}, {"lora_rank": 3}, {"lora_rank": 2, "lora_alpha": 1}]

    assert len({base(plain_encoder_folder, **each).identity() for each in settings}) == 4


@with_peft
def test_targets_that_the_model_does_not_have_are_named(plain_encoder_folder):
    with pytest.raises(ModelError, match="cannot load the adapter of"):
        load(plain_encoder_folder, lora_rank=2, lora_targets=["nothing"])
