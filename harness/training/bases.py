"""The models that are fine-tuned."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Protocol, cast

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.fingerprint import digest
from harness.registry import BASES
from harness.spec import STRICT
from harness.teachers.dense import load_encoder
from harness.teachers.minilm import MINILM_SHA256, minilm_folder

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

__all__ = ["Base", "MiniLM3L", "MiniLMBase", "Static", "device"]


class Base(Protocol):
    """A model to start from; parameters are the fields of the class."""

    seconds_per_pair: float
    """Rough cost of one training pair with four negatives on one CPU core, for estimates only."""

    def identity(self) -> str:
        """Return a digest of weights and architecture; no heavy import."""
        ...

    def load(self, *, max_length: int, texts: Iterable[str]) -> "SentenceTransformer":
        """Return a fresh copy. `texts` are all that it will be asked to embed."""
        ...


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


class _MiniLM:
    layers: int

    def identity(self) -> str:
        """Return a digest of the weights and of how many layers are kept."""
        return digest(["minilm", MINILM_SHA256, self.layers])

    def load(self, *, max_length: int, texts: Iterable[str]) -> "SentenceTransformer":
        """Return a fresh copy of the first `layers` layers."""
        del texts
        model = load_encoder(str(minilm_folder()), max_length=max_length)
        layers = cast("torch.nn.ModuleList", model.get_submodule("0.auto_model.encoder.layer"))
        del layers[self.layers :]
        return model.to(device())


@BASES.register("minilm_3l", paper="Wang et al. 2020, arXiv:2002.10957")
@dataclass(kw_only=True, config=STRICT)
class MiniLM3L(_MiniLM):
    """The first layers of all-MiniLM-L6-v2: a small transformer for slower CPU runs."""

    layers: Annotated[int, Interval(ge=1, le=6)] = 3
    seconds_per_pair = 0.15


@BASES.register("minilm", paper="Wang et al. 2020, arXiv:2002.10957")
@dataclass(kw_only=True, config=STRICT)
class MiniLMBase(_MiniLM):
    """All six layers of all-MiniLM-L6-v2."""

    layers = 6
    seconds_per_pair = 0.3


def device() -> str:
    """Return `cuda` where there is a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
