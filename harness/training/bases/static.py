"""Mean token embeddings as a base: the one that trains in seconds."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic.dataclasses import dataclass

from harness.fingerprint import digest
from harness.registry import BASES
from harness.spec import STRICT
from harness.teachers.minilm import MINILM_SHA256, minilm_folder
from harness.training.bases.base import device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Static"]


@BASES.register("static", paper="StaticEmbedding of sentence-transformers, from MiniLM's token embeddings")
@dataclass(kw_only=True, config=STRICT)
class Static:
    """Mean of token embeddings, started from all-MiniLM-L6-v2's table: trains in seconds on a CPU.

    Only the rows of tokens that occur in `texts` are loaded: the others would get no
    gradient, so that the result is the same and the backward pass cheaper. `texts` are
    tokenised once, not once per epoch.
    """

    seconds_per_pair = 0.0005

    def identity(self) -> str:
        """Return a digest of the table's origin."""
        return digest(["static", MINILM_SHA256])

    def load(self, *, max_length: int, texts: Iterable[str]) -> "SentenceTransformer":
        """Return a fresh model whose vocabulary covers `texts`."""
        from safetensors import safe_open
        from sentence_transformers import SentenceTransformer

        from harness.training.static import LookupEmbedding, tokenised

        vocabulary = tokenised(minilm_folder() / "tokenizer.json", max_length, tuple(texts))
        with safe_open(str(minilm_folder() / "model.safetensors"), framework="pt") as weights:
            table = weights.get_tensor("embeddings.word_embeddings.weight")
        module = LookupEmbedding(vocabulary, table[vocabulary.kept].float())
        return SentenceTransformer(modules=[module], device=device())
