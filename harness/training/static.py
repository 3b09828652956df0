"""A static embedding that tokenises each text once and holds only the rows it needs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

__all__ = ["LookupEmbedding", "Vocabulary", "tokenised"]


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of some texts.

    `kept` lists the ids of the full vocabulary that are kept, ascending; `ids` maps each
    text to its places in `kept`; `tokenizer` gives the same places for the same texts.
    """

    tokenizer: Tokenizer
    kept: list[int]
    ids: dict[str, npt.NDArray[np.int64]]


@lru_cache(maxsize=2)
def tokenised(file: Path, max_length: int, texts: tuple[str, ...]) -> Vocabulary:
    """Tokenise `texts` without special tokens and keep the vocabulary that they use.

    WordPiece takes the longest match first, so leaving out tokens that no text uses
    changes the segmentation of none of them.
    """
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    distinct = sorted(set(texts))
    encodings = [encoding.ids for encoding in tokenizer.encode_batch(distinct, add_special_tokens=False)]
    state = json.loads(tokenizer.to_str())
    special = {token["id"] for token in state["added_tokens"]}
    kept = sorted(special.union(*encodings))
    place = {old: new for new, old in enumerate(kept)}
    state["model"]["vocab"] = {word: place[old] for word, old in state["model"]["vocab"].items() if old in place}
    for token in state["added_tokens"]:
        token["id"] = place[token["id"]]
    state["post_processor"] = None
    ids = {
        text: np.array([place[old] for old in encoding], dtype=np.int64)
        for text, encoding in zip(distinct, encodings, strict=True)
    }
    return Vocabulary(Tokenizer.from_str(json.dumps(state)), kept, ids)


class LookupEmbedding(StaticEmbedding):
    """StaticEmbedding over a Vocabulary; texts outside it are tokenised with what it holds."""

    def __init__(self, vocabulary: Vocabulary, weights: torch.Tensor) -> None:
        super().__init__(vocabulary.tokenizer, embedding_weights=weights)
        self._ids = vocabulary.ids

    def preprocess(  # type: ignore[override]  # texts are the only inputs of a static embedding
        self, inputs: Sequence[str], prompt: str | None = None, **kwargs: object
    ) -> dict[str, torch.Tensor]:
        """Return the flat token ids of the texts and where each text begins."""
        del kwargs
        rows = [self._of((prompt or "") + text) for text in inputs]
        starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
        return {"input_ids": torch.from_numpy(np.concatenate(rows)), "offsets": torch.from_numpy(starts)}

    def _of(self, text: str) -> npt.NDArray[np.int64]:
        known = self._ids.get(text)
        if known is None:
            known = np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)
        return known
