"""nDCG, MRR, recall and MAP per query, by pytrec_eval."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEEPEST", "per_query_metrics"]

DEEPEST = 100
"""The last rank that any of these metrics looks at."""

_CUTOFF = 10
_MEASURES = {
    "ndcg_at_10": "ndcg_cut_10",
    "recall_at_10": "recall_10",
    "recall_at_100": "recall_100",
    "map_at_100": "map_cut_100",
}
"""What pytrec_eval calls each metric. It has no reciprocal rank with a cut-off: see below."""


def per_query_metrics(qrels: dict[str, dict[str, int]], runs: dict[str, dict[str, float]]) -> "pd.DataFrame":
    """Return a frame with one row per query of `qrels` that has a relevant document, sorted by id.

    Columns: query_id, relevant (how many documents are), ndcg_at_10, mrr_at_10,
    recall_at_10, recall_at_100, map_at_100. A query without a run scores 0. Documents of
    equal score are ranked by descending id. Gains are the grades themselves, as in
    trec_eval's ndcg_cut; average precision is divided by the number of relevant
    documents, found or not.
    """
    import pandas as pd
    import pytrec_eval

    judged = {query: documents for query, documents in qrels.items() if any(grade > 0 for grade in documents.values())}
    full = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.10,100", "map_cut.100"}).evaluate(runs)
    cut = pytrec_eval.RelevanceEvaluator(judged, {"recip_rank"}).evaluate(
        {query: _head(documents) for query, documents in runs.items()}
    )
    rows = [
        {
            "query_id": query,
            "relevant": sum(grade > 0 for grade in judged[query].values()),
            "mrr_at_10": cut.get(query, {}).get("recip_rank", 0.0),
            **{name: full.get(query, {}).get(measure, 0.0) for name, measure in _MEASURES.items()},
        }
        for query in sorted(judged)
    ]
    columns = ["query_id", "relevant", "ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100"]
    return pd.DataFrame(rows, columns=columns)


def _head(documents: dict[str, float]) -> dict[str, float]:
    """Keep the first ten as trec_eval orders them: score, then document id, both descending."""
    ordered = sorted(documents.items(), key=lambda item: (item[1], item[0]), reverse=True)
    return dict(ordered[:_CUTOFF])
