"""Published methods by name, each as the part of an arm that the paper fixes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import JsonValue

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A published method in the terms of a sweep file.

    `arm` holds settings of an arm; what it leaves out comes from the sweep's defaults,
    so that methods are compared under equal conditions. `paper` is where the method was
    proposed or, if it is older than its name, where it was measured under that name.
    """

    name: str
    paper: str
    summary: str
    arm: Mapping[str, JsonValue]


_NV_RETRIEVER = "arXiv:2407.15831"
_DPR = "arXiv:2004.04906"

_ALL = (
    Recipe(
        "dpr_bm25",
        _DPR,
        "One BM25 negative beside those of the batch. DPR also skips passages that hold the answer; here only "
        "labelled positives are skipped.",
        {"teacher": "bm25", "miner": {"name": "topk", "k": 1}},
    ),
    Recipe("in_batch", _DPR, "No mined negatives: the other positives of the batch serve.", {"miner": "none"}),
    Recipe(
        "naive_topk",
        _NV_RETRIEVER,
        "The best-scored documents that carry no label, mined once: the paper's naive baseline.",
        {"miner": "topk"},
    ),
    Recipe(
        "nv_retriever",
        _NV_RETRIEVER,
        "TopK-PercPos: the best-scored documents below 95 % of the positive's score.",
        {"miner": {"name": "topk_percpos", "share": 0.95}},
    ),
    Recipe(
        "nv_retriever_abs",
        _NV_RETRIEVER,
        "TopK-Abs: the best-scored documents with a score of at most 0.7.",
        {"miner": {"name": "topk_abs", "threshold": 0.7}},
    ),
    Recipe(
        "nv_retriever_cross_sample",
        _NV_RETRIEVER,
        "All negatives of a pair from one of several teachers, drawn for each pair. The paper mixes four encoders; "
        "here BM25 joins the arm's teacher unless the arm names others.",
        {"miner": {"name": "topk_percpos", "share": 0.95}, "mix": {"how": "cross_sample", "others": ["bm25"]}},
    ),
    Recipe(
        "nv_retriever_intra_sample",
        _NV_RETRIEVER,
        "Negatives of each pair from several teachers in turn, no document twice. The paper mixes four encoders, "
        "one negative from each; here BM25 joins the arm's teacher unless the arm names others.",
        {"miner": {"name": "topk_percpos", "share": 0.95}, "mix": {"how": "intra_sample", "others": ["bm25"]}},
    ),
    Recipe(
        "nv_retriever_marginpos",
        _NV_RETRIEVER,
        "TopK-MarginPos: the best-scored documents more than 0.05 below the positive's score.",
        {"miner": {"name": "topk_marginpos", "margin": 0.05}},
    ),
    Recipe(
        "relabel_by_score",
        "arXiv:2505.16967",
        "RLHN's relabelling with another judge: it asks an LLM, here a mined negative is suspected that the "
        "teacher scores no lower than the positive. Suspects become positives, and nothing takes their place; more "
        "than 8 drop the query.",
        {
            "miner": "topk",
            "on_shortage": "keep",
            "repair": {"action": "relabel_positive", "cap": 8, "suspect": {"margin": 0.0}},
        },
    ),
    Recipe(
        "rs2_negatives",
        "arXiv:2305.18424",
        "RS2's repeated random subsets, of candidates where the paper has training examples: every epoch draws "
        "new negatives uniformly from the best 100. A baseline for rules that select.",
        {"miner": {"name": "bge_window", "start": 0, "stop": 100, "ranks": "eligible"}, "redraw": True},
    ),
    Recipe(
        "shifted_topk",
        _NV_RETRIEVER,
        "Top-K shifted by N: skip the 10 best-scored documents, then take the best that remain.",
        {"miner": {"name": "topk_shifted", "shift": 10}},
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
