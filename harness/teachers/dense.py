"""Bi-encoders as teachers: every distinct text is embedded once, and looked up from then on."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.collection import Collection, IntArray
from harness.device_memory import device_memory
from harness.errors import NumericError
from harness.fingerprint import digest, text_digest
from harness.registry import TEACHERS
from harness.spec import STRICT
from harness.teachers.base import Candidates, Workspace
from harness.teachers.minilm import MINILM_SHA256, minilm_folder
from harness.teachers.model_source import check_source, model_errors, source_digest
from harness.teachers.own_code import TrustRemoteCode, code_settings
from harness.teachers.rows import Rows, inner_products
from harness.teachers.search import exact_top_k, id_order
from harness.teachers.shards import in_shards

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "BiEncoder",
    "Dtype",
    "Embed",
    "Kind",
    "MaxLength",
    "MiniLM",
    "SentenceTransformerTeacher",
    "encode",
    "load_encoder",
    "prompt_of",
]

FloatArray = npt.NDArray[np.float32]
_ENCODING = 2
"""Raised when the same encoder and texts would give other vectors."""

Dtype = Literal["float32", "bfloat16", "float16"]
"""What a model computes in. Its results are kept and compared in float32."""

Kind = Literal["query", "document"]

Embed = Callable[[Sequence[str], Kind], FloatArray]
"""A model as it is at this moment: from n texts to unit vectors, shape (n, d). Nothing of it is kept."""

MaxLength = Annotated[int, Interval(ge=8, le=32768)]


class BiEncoder:
    """Search and score by the cosine of two embeddings; subclasses say which model."""

    query_prompt: str = ""
    document_prompt: str = ""
    dtype: Dtype = "float32"

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
        place = id_order(collection.document_ids)
        return exact_top_k(vectors, documents, depth, place, resources=work.resources, progress=work.progress)

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Return the cosine of pairs of query and document indices, aligned; the very score of a search. Shape (n,)."""
        left, right = self.embed_queries(collection, work), self.embed_documents(collection, work)
        return inner_products(Rows(left), Rows(right), queries, documents)

    def embed_documents(self, collection: Collection, work: Workspace) -> FloatArray:
        """Return unit vectors of the whole corpus, memory-mapped and read-only. Shape (n_documents, d)."""
        return self._embed(collection.document_texts, self.document_prompt, "documents", work)

    def embed_queries(self, collection: Collection, work: Workspace) -> FloatArray:
        """Return unit vectors of all queries, of every split, memory-mapped and read-only. Shape (n_queries, d)."""
        return self._embed(collection.query_texts, self.query_prompt, "queries", work)

    def _embed(self, texts: Sequence[str], prompt: str, what: str, work: Workspace) -> FloatArray:
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        identity = self.identity()

        def key(part: Sequence[str]) -> str:
            return digest([_ENCODING, identity, prompt, text_digest(part)], 32)

        def build(folder: Path) -> None:
            distinct = list(dict.fromkeys(texts))
            shards = in_shards(distinct, _Encoding(self, prompt), key, work, f"encoding {what}")
            _spread(texts, distinct, shards, folder / "embeddings.npy")

        folder = work.store.fetch("embeddings", key(texts), build)
        return cast("FloatArray", np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False))


class _Encoding:
    """The encoder of a teacher, loaded when the first shard is missing."""

    def __init__(self, teacher: BiEncoder, prompt: str) -> None:
        self._teacher = teacher
        self._prompt = prompt
        self._encoder: SentenceTransformer | None = None

    def __call__(self, part: list[str]) -> FloatArray:
        self._encoder = self._encoder or self._teacher.encoder()
        batch_size = 256 if self._encoder.device.type == "cuda" else 32
        vectors = encode(self._encoder, part, self._prompt, batch_size)
        if self._teacher.dtype != "float32":  # a length of 1 in bfloat16 is off by up to 0.4 %
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return vectors


def _spread(
    texts: Sequence[str],
    distinct: Sequence[str],
    shards: Iterable[tuple[npt.NDArray[np.int64], FloatArray]],
    file: Path,
) -> None:
    """Write the vectors of distinct texts to the rows of every text, a shard at a time."""
    number = {text: index for index, text in enumerate(distinct)}
    owner = np.array([number[text] for text in texts])
    row = np.argsort(owner, kind="stable")
    start = np.searchsorted(owner, np.arange(len(distinct) + 1), sorter=row)
    table: FloatArray | None = None
    for position, vectors in shards:
        if table is None:
            table = np.lib.format.open_memmap(file, "w+", np.float32, (len(texts), vectors.shape[1]))
        target = np.concatenate([row[start[index] : start[index + 1]] for index in position])
        table[target] = np.repeat(vectors, np.diff(start)[position], axis=0)


def encode(encoder: "SentenceTransformer", texts: Sequence[str], prompt: str = "", batch_size: int = 32) -> FloatArray:
    """Return unit float32 vectors, shape (n, d).

    Raises NumericError if one is not finite, DeviceMemoryError if the device's memory is too small.
    """
    with device_memory(f"embedding {batch_size} texts at once", "A smaller max_length needs less"):
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


def prompt_of(encoder: "SentenceTransformer", kind: Kind) -> str:
    """Return the prompt that an encoder puts before its queries or documents, empty if it has none."""
    return encoder.prompts.get(kind) or ""


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
    dtype: Dtype = "float32"
    trust_remote_code: TrustRemoteCode = False

    def __post_init__(self) -> None:
        """Ask for exactly one of `path` and `model`, and for what pins it."""
        check_source(self.path, self.model, self.revision, trust=self.trust_remote_code)

    def identity(self) -> str:
        """Return a digest of the folder's files or of hub id and revision, with length and prompts."""
        content = source_digest(self.path, self.model, self.revision, trust=self.trust_remote_code)
        return digest(["st", content, self.max_length, self.query_prompt, self.document_prompt, self.dtype])

    def encoder(self) -> "SentenceTransformer":
        """Load the encoder; raise ModelError that says why it cannot be had."""
        return load_encoder(
            self.path or self.model,
            max_length=self.max_length,
            revision=self.revision,
            dtype=self.dtype,
            trust=self.trust_remote_code,
        )


def load_encoder(
    name: str, *, max_length: int | None, revision: str = "", dtype: Dtype = "float32", trust: bool = False
) -> "SentenceTransformer":
    """Load a sentence-transformers model from a folder or the hub; its code is run with `trust` alone.

    `max_length` is in tokens; None leaves the model's own.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    with model_errors("encoder", name, revision):
        code = code_settings(name, revision, trust=trust)
        encoder = SentenceTransformer(name, revision=revision or None, **code)
    if max_length is not None:
        encoder.max_seq_length = max_length
    return encoder.to(getattr(torch, dtype))
