"""Bi-encoders as teachers: texts are embedded once, in shards that survive an interruption."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.collection import Collection, IntArray
from harness.errors import ConfigError, ModelError, NumericError
from harness.fingerprint import digest, folder_digest, text_digest
from harness.registry import TEACHERS
from harness.spec import STRICT
from harness.teachers.base import Candidates, Workspace
from harness.teachers.minilm import MINILM_SHA256, minilm_folder
from harness.teachers.search import exact_top_k, id_order

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["BiEncoder", "MiniLM", "SentenceTransformerTeacher"]

FloatArray = npt.NDArray[np.float32]
_SHARD = 512
"""Texts encoded between two writes: what an interruption can cost."""

MaxLength = Annotated[int, Interval(ge=8, le=32768)]


class BiEncoder:
    """Search and score by the cosine of two embeddings; subclasses say which model."""

    query_prompt: str = ""
    document_prompt: str = ""

    def identity(self) -> str:
        """Return a digest of weights, tokenizer, maximum length and prompts."""
        raise NotImplementedError

    def encoder(self) -> "SentenceTransformer":
        """Load the encoder; raise ModelError if it cannot be had."""
        raise NotImplementedError

    def search(self, collection: Collection, queries: IntArray, depth: int, work: Workspace) -> Candidates:
        """Return the `depth` best documents for each query by cosine; ties by document id."""
        documents = self.embed_documents(collection, work)
        vectors = self.embed_queries(collection, work)[queries]
        return exact_top_k(vectors, documents, depth, id_order(collection.document_ids))

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Return the cosine of pairs of query and document indices, aligned. Shape (n,)."""
        left = self.embed_queries(collection, work)[queries]
        right = self.embed_documents(collection, work)[documents]
        product: FloatArray = np.sum(left * right, axis=1, dtype=np.float32)
        return product

    def embed_documents(self, collection: Collection, work: Workspace) -> FloatArray:
        """Return unit vectors of the whole corpus. Shape (n_documents, d)."""
        return self._embed(collection.document_texts, self.document_prompt, "documents", work)

    def embed_queries(self, collection: Collection, work: Workspace) -> FloatArray:
        """Return unit vectors of all queries, of every split. Shape (n_queries, d)."""
        return self._embed(collection.query_texts, self.query_prompt, "queries", work)

    def _embed(self, texts: Sequence[str], prompt: str, what: str, work: Workspace) -> FloatArray:
        encoder: SentenceTransformer | None = None
        shards = []
        for start in range(0, len(texts), _SHARD):
            part = list(texts[start : start + _SHARD])
            key = digest([self.identity(), prompt, text_digest(part)], 32)

            def build(folder: Path, part: list[str] = part) -> None:
                nonlocal encoder
                encoder = encoder or self.encoder()
                np.save(folder / "embeddings.npy", encode(encoder, part, prompt))

            folder = work.store.fetch("embeddings", key, build)
            shards.append(np.load(folder / "embeddings.npy", allow_pickle=False))
            if encoder is not None:
                work.progress(f"encoding {what}", start + len(part), len(texts))
        return np.concatenate(shards)


def encode(encoder: "SentenceTransformer", texts: Sequence[str], prompt: str = "", batch_size: int = 32) -> FloatArray:
    """Return unit float32 vectors, shape (n, d); raise NumericError if one is not finite."""
    vectors = encoder.encode(
        list(texts),
        prompt=prompt or None,
        batch_size=batch_size,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=False,
    ).astype(np.float32, copy=False)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        message = f"the encoder gave NaN or infinity for the text {texts[int(np.flatnonzero(~finite)[0])][:80]!r}"
        raise NumericError(message)
    return vectors


@TEACHERS.register("minilm", paper="Wang et al. 2020, arXiv:2002.10957; sentence-transformers/all-MiniLM-L6-v2")
@dataclass(kw_only=True, config=STRICT)
class MiniLM(BiEncoder):
    """Score by the cosine of all-MiniLM-L6-v2 embeddings; the model comes with the installation."""

    max_length: Annotated[int, Interval(ge=8, le=512)] = 128

    def identity(self) -> str:
        """Return a digest of the published weights' hash and the maximum length."""
        return digest(["minilm", MINILM_SHA256, self.max_length])

    def encoder(self) -> "SentenceTransformer":
        """Load the packaged model; raise ModelError if it is not the published one."""
        return load_encoder(str(minilm_folder()), max_length=self.max_length)


@TEACHERS.register("sentence_transformer", paper="Reimers & Gurevych 2019, arXiv:1908.10084")
@dataclass(kw_only=True, config=STRICT)
class SentenceTransformerTeacher(BiEncoder):
    """Score by the cosine of any sentence-transformers encoder: a local `path`, or a hub `model` at a `revision`."""

    path: str = ""
    model: str = ""
    revision: str = ""
    max_length: MaxLength = 256
    query_prompt: str = ""
    document_prompt: str = ""

    def __post_init__(self) -> None:
        """Ask for exactly one of `path` and `model`, and for a pinned revision of the latter."""
        if bool(self.path) == bool(self.model):
            message = "give either `path` (a local folder) or `model` (a hub id)"
            raise ConfigError(message)
        if self.model and not self.revision:
            message = f"`revision` must pin the commit of {self.model}: a branch can move under a finished run"
            raise ConfigError(message)

    def identity(self) -> str:
        """Return a digest of the folder's files or of hub id and revision, with length and prompts."""
        if self.path and not Path(self.path).is_dir():
            message = f"the model folder {self.path} does not exist"
            raise ModelError(message)
        content = folder_digest(Path(self.path)) if self.path else f"{self.model}@{self.revision}"
        return digest(["st", content, self.max_length, self.query_prompt, self.document_prompt])

    def encoder(self) -> "SentenceTransformer":
        """Load the encoder; raise ModelError that says why it cannot be had."""
        return load_encoder(self.path or self.model, max_length=self.max_length, revision=self.revision)


def load_encoder(name: str, *, max_length: int, revision: str = "") -> "SentenceTransformer":
    """Load a sentence-transformers model from a folder or the hub, never running its code."""
    from sentence_transformers import SentenceTransformer

    try:
        encoder = SentenceTransformer(name, revision=revision or None, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = f"{name} at {revision}" if revision else name
        message = f"cannot load the encoder {where}: {reason}"
        raise ModelError(message) from error
    encoder.max_seq_length = max_length
    return encoder
