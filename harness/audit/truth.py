"""What is known of a document: a hidden positive of the query, judged non-relevant, or neither."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.audit.records import Counted, TruthKind
from harness.collection import Judgements
from harness.mining.base import PADDING, BoolArray, IntArray, Pool

__all__ = ["Truth"]

_STRIDE = np.int64(2**32)
KeyArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """The judgements of a pool's split, as an answer to what a candidate is.

    Without any judged non-relevant document, every document that is no hidden positive
    counts as a true negative: contamination is then a lower bound, since unlabelled
    positives cannot be seen. With some, documents without a judgement are unknown.
    Without hidden positives nothing can be said of contamination.
    """

    rows: Judgements

    @cached_property
    def _hidden(self) -> KeyArray:
        return np.unique(_keys(self.rows.query, self.rows.document)[self.rows.concealed])

    @cached_property
    def _rejected(self) -> KeyArray:
        return np.unique(_keys(self.rows.query, self.rows.document)[self.rows.grade <= 0])

    @property
    def hidden_positives(self) -> int:
        """How many positives are hidden."""
        return len(self._hidden)

    @property
    def judged_non_relevant(self) -> int:
        """How many pairs were judged and found not relevant."""
        return len(self._rejected)

    @property
    def kind(self) -> TruthKind:
        """What the audit can go by."""
        if not self.hidden_positives:
            return "none"
        return "judged" if self.judged_non_relevant else "hidden"

    def hidden(self, pool: Pool, document: IntArray) -> BoolArray:
        """Tell which entries of `document` (n, c) are hidden positives of the row's query."""
        return _among(self._hidden, pool, document)

    def known(self, pool: Pool, document: IntArray) -> BoolArray:
        """Tell of which entries of `document` (n, c) it is known whether they are false negatives."""
        if not self.judged_non_relevant:
            return np.not_equal(document, PADDING)
        return self.hidden(pool, document) | _among(self._rejected, pool, document)

    def counted(self, pool: Pool, document: IntArray) -> Counted:
        """Count what the entries of `document` (n, c) are; padding is nothing."""
        hidden = int(self.hidden(pool, document).sum())
        judged = int(_among(self._rejected, pool, document).sum())
        return Counted(hidden=hidden, judged=judged, unknown=int((document != PADDING).sum()) - hidden - judged)


def _keys(query: npt.NDArray[np.integer], document: npt.NDArray[np.integer]) -> KeyArray:
    keys: KeyArray = query.astype(np.int64) * _STRIDE + document
    return keys


def _among(keys: KeyArray, pool: Pool, document: IntArray) -> BoolArray:
    found: BoolArray = np.isin(_keys(pool.query[:, None], document), keys) & np.not_equal(document, PADDING)
    return found
