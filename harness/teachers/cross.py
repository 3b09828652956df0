"""Cross-encoders as teachers: they read query and document together, and rescore what another teacher finds."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from harness.collection import Collection, IntArray
from harness.errors import ModelError, NumericError
from harness.fingerprint import digest, text_digest
from harness.mining.base import PADDING
from harness.registry import TEACHERS
from harness.spec import STRICT, Component
from harness.teachers.base import Candidates, Workspace, teacher_of
from harness.teachers.dense import Dtype, MaxLength
from harness.teachers.model_source import check_source, model_errors, source_digest
from harness.teachers.own_code import TrustRemoteCode, code_settings
from harness.teachers.search import id_order, reordered
from harness.teachers.shards import in_shards

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["CrossEncoderTeacher"]

FloatArray = npt.NDArray[np.float32]
Pair = tuple[str, str]
_SCORING = 1
"""Raised when the same model and texts would give other scores."""


@TEACHERS.register("cross_encoder", paper="Nogueira & Cho 2019, arXiv:1901.04085")
@dataclass(kw_only=True, config=STRICT)
class CrossEncoderTeacher:
    """Score by a cross-encoder the candidates of the teacher `first`: a local `path`, or a hub `model` at a `revision`.

    Scores are logits with `activation="identity"`, probabilities with `"sigmoid"`,
    whatever the model's own configuration says: thresholds and margins mean different
    things for the two, and probabilities near 0 or 1 tie in float32.
    """

    first: Component
    path: str = ""
    model: str = ""
    revision: str = ""
    max_length: MaxLength = 512
    activation: Literal["identity", "sigmoid"] = "identity"
    dtype: Dtype = "float32"
    trust_remote_code: TrustRemoteCode = False

    def __post_init__(self) -> None:
        """Ask for one source of the model, and for a first teacher that exists."""
        check_source(self.path, self.model, self.revision, trust=self.trust_remote_code)
        teacher_of(self.first)

    def identity(self) -> str:
        """Return a digest of model, maximum length, activation and the first teacher."""
        return digest(["cross", self._model_identity(), teacher_of(self.first).identity()])

    def search(self, collection: Collection, queries: IntArray, depth: int, work: Workspace) -> Candidates:
        """Return the first teacher's `depth` best documents, in the order of the new scores; ties by document id."""
        found = teacher_of(self.first).search(collection, queries, depth, work)
        row, column = np.nonzero(found.document != PADDING)
        score = np.full(found.document.shape, -np.inf, dtype=np.float32)
        score[row, column] = self.score(collection, queries[row], found.document[row, column], work)
        return reordered(found.document, score, id_order(collection.document_ids))

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Score pairs of query and document indices, aligned. Shape (n,).

        Equal pairs of texts are scored once for each call.
        """
        texts = zip(queries, documents, strict=True)
        pairs = [(collection.query_texts[query], collection.document_texts[document]) for query, document in texts]
        number: dict[Pair, int] = {}
        owner = np.array([number.setdefault(pair, len(number)) for pair in pairs], dtype=np.int64)
        identity = self._model_identity()

        def key(part: list[Pair]) -> str:
            return digest([_SCORING, identity, text_digest(text for pair in part for text in pair)], 32)

        scores = np.empty(len(number), dtype=np.float32)
        for position, values in in_shards(list(number), _Scoring(self), key, work, "scoring pairs"):
            scores[position] = values
        return scores[owner]

    def encoder(self) -> "CrossEncoder":
        """Load the model; raise ModelError if it cannot be had or gives several numbers."""
        import torch
        from sentence_transformers import CrossEncoder

        name, activation = self.path or self.model, {"identity": torch.nn.Identity, "sigmoid": torch.nn.Sigmoid}
        with model_errors("cross-encoder", name, self.revision):
            encoder: CrossEncoder = CrossEncoder(
                name,
                revision=self.revision or None,
                activation_fn=activation[self.activation](),
                **code_settings(name, self.revision, trust=self.trust_remote_code),
            )
        if encoder.num_labels != 1:
            message = f"the cross-encoder {name} gives {encoder.num_labels} numbers for a pair, not one score"
            raise ModelError(message)
        encoder.max_seq_length = self.max_length
        encoder.to(getattr(torch, self.dtype))
        return encoder

    def _model_identity(self) -> str:
        content = source_digest(self.path, self.model, self.revision, trust=self.trust_remote_code)
        return digest([content, self.max_length, self.activation, self.dtype])


class _Scoring:
    """The model of a teacher, loaded when the first shard is missing."""

    def __init__(self, teacher: CrossEncoderTeacher) -> None:
        self._teacher = teacher
        self._encoder: CrossEncoder | None = None

    def __call__(self, part: list[Pair]) -> FloatArray:
        self._encoder = self._encoder or self._teacher.encoder()
        batch_size = 256 if self._encoder.device.type == "cuda" else 32
        scores = self._encoder.predict(part, batch_size=batch_size, convert_to_numpy=True, show_progress_bar=False)
        result: FloatArray = np.asarray(scores, dtype=np.float32)
        if not np.isfinite(result).all():
            query, document = part[int(np.flatnonzero(~np.isfinite(result))[0])]
            message = f"the cross-encoder gave NaN or infinity for {query[:60]!r} and {document[:60]!r}"
            raise NumericError(message)
        return result
