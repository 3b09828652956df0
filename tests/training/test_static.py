import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

from harness.losses.info_nce import InfoNCE
from harness.registry import BASES
from harness.spec import TrainingSpec
from harness.teachers.minilm import minilm_folder
from harness.training.bases import Static
from harness.training.data import TrainingData
from harness.training.static import tokenised
from harness.training.trainer import train

TEXTS = (
    "Compute the eigenvalues",
    "naïve übergroß 漢字 🙂",
    "",
    "a" * 300,
    "x_1 = np.linalg.eig(a)[0]",
    "unaffable " * 99,
)


def whole_table(max_length: int) -> SentenceTransformer:
    """Build the same base as sentence-transformers would: all 30,522 rows, tokenised every time."""
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(max_length)
    with safe_open(str(minilm_folder() / "model.safetensors"), framework="pt") as weights:
        table = weights.get_tensor("embeddings.word_embeddings.weight").float()
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")


def test_leaving_out_unused_tokens_changes_no_embedding():
    compact = Static().load(max_length=16, texts=TEXTS)

    ours, theirs = (model.encode(list(TEXTS)) for model in (compact, whole_table(16)))

    assert np.array_equal(ours, theirs)
    assert compact[0].num_embeddings < 200


def test_leaving_out_unused_tokens_changes_no_training():
    index = np.arange(3, dtype=np.int32)
    data = TrainingData(TEXTS[:3], TEXTS[3:], index, index, index[:, None][::-1].copy())
    compact, whole = Static().load(max_length=16, texts=TEXTS), whole_table(16)

    histories = [
        train(model, data, TrainingSpec(epochs=4, batch_size=2), InfoNCE(), 0).losses for model in (compact, whole)
    ]

    assert histories[0] == histories[1]
    assert np.allclose(compact.encode(list(TEXTS)), whole.encode(list(TEXTS)), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_the_small_tokenizer_segments_the_texts_like_the_whole_one(texts):
    file = minilm_folder() / "tokenizer.json"
    whole = Tokenizer.from_file(str(file))
    whole.no_padding()
    whole.no_truncation()

    vocabulary = tokenised(file, 24, tuple(texts))

    for text in texts:
        expected = whole.encode(text, add_special_tokens=False).ids[:24]
        assert [vocabulary.kept[place] for place in vocabulary.ids[text]] == expected
        assert vocabulary.tokenizer.encode(text, add_special_tokens=False).ids == vocabulary.ids[text].tolist()


def test_three_layers_are_three_and_six_are_the_whole_model():
    small = BASES.create("minilm_3l", {}).load(max_length=16, texts=())
    whole = BASES.create("minilm", {}).load(max_length=16, texts=())

    layers = [len(model.get_submodule("0.auto_model.encoder.layer")) for model in (small, whole)]

    assert layers == [3, 6]
    assert not torch.equal(torch.tensor(small.encode("a b")), torch.tensor(whole.encode("a b")))


def test_bases_of_different_depth_have_different_identities():
    identities = {BASES.create("minilm_3l", {"layers": layers}).identity() for layers in (2, 3)}

    assert len({*identities, BASES.create("minilm", {}).identity(), BASES.create("static", {}).identity()}) == 4
