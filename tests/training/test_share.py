import pytest
import torch

from harness.ranks import Ranks
from harness.spec import TrainingSpec
from harness.training.bases import Encoder
from harness.training.share import Share, bounds, cut
from harness.training.trainer import micro_batch_of
from tests.training.toy import QUERIES, static


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [(7, 3, [(0, 3), (3, 5), (5, 7)]), (4, 2, [(0, 2), (2, 4)]), (1, 3, [(0, 1), (1, 1), (1, 1)])],
)
def test_shares_cover_a_batch_in_order_and_the_first_is_never_empty(size, count, expected):
    assert bounds(size, count) == expected


@pytest.fixture
def encoder(encoder_folder):
    return Encoder(path=str(encoder_folder)).load(max_length=16, texts=())


@pytest.mark.parametrize("part", [(0, 2), (3, 7), (10, 12)])
def test_a_part_of_a_column_is_embedded_as_in_the_whole(encoder, part):
    for model in (static(), encoder):
        model.eval()
        features = model.preprocess(QUERIES)

        found = model(cut(features, *part))["sentence_embedding"]

        whole = model(features)["sentence_embedding"]
        assert torch.allclose(found, whole[part[0] : part[1]], atol=1e-6)


def gradients(model, micro_batch):
    torch.manual_seed(3)
    share = Share(model, [model.preprocess(QUERIES[:5]), model.preprocess(QUERIES[5:10])], micro_batch)
    vectors = share.embed()
    torch.manual_seed(4)  # dropout must not depend on what was drawn between
    share.backward(torch.arange(vectors.numel()).reshape(vectors.shape) / vectors.numel())
    return vectors, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def test_an_embedding_in_parts_has_the_gradients_of_the_whole(plain_encoder_folder):
    def load():
        return Encoder(path=str(plain_encoder_folder)).load(max_length=16, texts=()).train()

    expected, whole = gradients(load(), None)
    found, parts = gradients(load(), 2)

    assert found.shape == (2, 5, 16)
    assert torch.allclose(found, expected, atol=1e-6)
    assert len(parts) == len(whole) > 0
    assert all(torch.allclose(left, right, atol=1e-4) for left, right in zip(parts, whole, strict=True))


def test_a_part_is_embedded_with_the_same_dropout_the_second_time(encoder, monkeypatch):
    encoder.train()
    seen = []
    encoder.register_forward_hook(lambda *hooked: seen.append(hooked[2]["sentence_embedding"].detach()))

    gradients(encoder, 5)

    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


@pytest.mark.parametrize(("micro_batch", "expected"), [(None, 4), (3, 3), (6, 4)])
def test_a_process_embeds_no_more_than_its_share_at_once(encoder, micro_batch, expected):
    spec = TrainingSpec(batch_size=8, micro_batch=micro_batch)

    assert micro_batch_of(encoder, spec, Ranks(2)) == expected
