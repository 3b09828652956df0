"""The model in training as a function from texts to vectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.teachers.dense import Embed, Kind, encode, prompt_of
from harness.training.data import FloatArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["embedder"]

_ENCODE_BATCH = 256


def embedder(model: "SentenceTransformer") -> Embed:
    """Return the model, with its prompts, as a function from texts to unit vectors; the training does not notice."""

    def embed(texts: Sequence[str], kind: Kind) -> FloatArray:
        mode = model.training
        vectors = encode(model, texts, prompt_of(model, kind), _ENCODE_BATCH)
        model.train(mode)
        return vectors

    return embed
