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
_STAR_ADORE = "arXiv:2104.08051"
_UNIFORM: JsonValue = {"name": "bge_window", "start": 0, "stop": 200, "ranks": "eligible", "k": 1}
"""One negative, uniformly from the best 200."""

_CROSS_ENCODER: JsonValue = {
    "name": "cross_encoder",
    "first": {"name": "minilm"},
    "model": "cross-encoder/ms-marco-MiniLM-L6-v2",
    "revision": "c5ee24cb16019beea0893ab7796b1df96625c6b8",
}

_ALL = (
    Recipe(
        "adore",
        _STAR_ADORE,
        "Train the query encoder against a fixed index of documents, with what each query finds now as negatives. "
        "The paper starts from STAR; here the arm's base makes the index.",
        {"miner": "none", "training": {"refresh": "adore", "loss": {"name": "lambda_mrr"}}},
    ),
    Recipe(
        "ance",
        "arXiv:2007.00808",
        "One negative, uniformly from the 200 documents that the student itself finds best, mined anew every 32 "
        "steps; the paper refreshes every 10,000, beside the training.",
        {
            "miner": _UNIFORM,
            "depth": 200,
            "training": {"refresh": {"name": "ance", "every": 32}, "loss": {"name": "pairwise"}},
        },
    ),
    Recipe(
        "conan",
        "arXiv:2408.15710",
        "Naive top-k, of which negatives that have become easy give way to deeper candidates every 32 steps; the "
        "paper looks every 100. The rule is known from others' descriptions.",
        {"miner": "topk", "training": {"refresh": {"name": "conan", "every": 32}}},
    ),
    Recipe(
        "debiased",
        "arXiv:2007.00224",
        "In-batch negatives, their sum corrected as if a tenth of them were positives.",
        {"miner": "none", "training": {"loss": {"name": "debiased", "tau_plus": 0.1}}},
    ),
    Recipe(
        "decoupled",
        "arXiv:2110.06848",
        "In-batch negatives, the positive left out of the denominator. The loss has no lower bound.",
        {"miner": "none", "training": {"loss": {"name": "decoupled"}}},
    ),
    Recipe(
        "dpr_bm25",
        _DPR,
        "One BM25 negative beside those of the batch. DPR also skips passages that hold the answer; here only "
        "labelled positives are skipped.",
        {"teacher": "bm25", "miner": {"name": "topk", "k": 1}},
    ),
    Recipe(
        "gistembed",
        "arXiv:2402.16829",
        "In-batch negatives and one mined, without what the teacher scores above the positive; queries and positives "
        "are contrasted with one another too. The paper's guide is UAE-Large-V1, here it is the arm's teacher.",
        {"miner": {"name": "topk", "k": 1}, "training": {"loss": {"name": "gist", "scale": 100.0}}},
    ),
    Recipe("in_batch", _DPR, "No mined negatives: the other positives of the batch serve.", {"miner": "none"}),
    Recipe(
        "mw",
        "arXiv:2510.00137",
        "Naive top-k, each positive against the negatives of the whole batch. The paper's temperature is 0.01, here "
        "0.05 as for the other losses.",
        {"miner": "topk", "training": {"loss": {"name": "mw"}}},
    ),
    Recipe(
        "naive_topk",
        _NV_RETRIEVER,
        "The best-scored documents that carry no label, mined once: the paper's naive baseline.",
        {"miner": "topk"},
    ),
    Recipe(
        "ngame",
        "arXiv:2207.04452",
        "In-batch negatives of batches made of ever larger clusters, known positives masked. The paper's loss is a "
        "triplet loss on the hardest, here it is the arm's.",
        {"miner": "none", "training": {"batching": "ngame", "mask_known_positives": True}},
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
        "qwen3_mask",
        "arXiv:2506.05176",
        "Naive top-k, without what the student itself scores more than 0.1 above the positive; queries and documents "
        "are contrasted with one another too.",
        {"miner": "topk", "training": {"loss": {"name": "self_guided", "margin": 0.1}}},
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
        "reweighted",
        "arXiv:2010.04592",
        "In-batch negatives, the harder the heavier, their sum corrected as if a tenth of them were positives.",
        {"miner": "none", "training": {"loss": {"name": "reweighted", "tau_plus": 0.1, "beta": 1.0}}},
    ),
    Recipe(
        "rocketqa",
        "arXiv:2010.08191",
        "The best of the first 50 candidates that a cross-encoder gives a probability below 0.1, filled up at random "
        "from behind them. The cross-encoder is MS MARCO's MiniLM-L6-v2, from the hub.",
        {
            "miner": "topk",
            "depth": 200,
            "confirm": {"teacher": _CROSS_ENCODER, "ceiling": 0.1, "scan": 50, "probability": "sigmoid"},
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
    Recipe(
        "simans",
        "arXiv:2210.11773",
        "Drawn from the best 100, the likelier the nearer a score is to the positive's. With the published a of 0.5 "
        "and cosines for scores the draw is nearly uniform: the paper's scores are long inner products.",
        {"miner": {"name": "simans", "a": 0.5, "b": 0.0}},
    ),
    Recipe(
        "star",
        _STAR_ADORE,
        "One negative a pair, uniformly from the teacher's best 200, drawn anew every epoch; each positive against "
        "every document of the batch in pairs, known positives masked.",
        {
            "miner": _UNIFORM,
            "depth": 200,
            "redraw": True,
            "training": {"loss": {"name": "pairwise", "negatives": "batch"}, "mask_known_positives": True},
        },
    ),
    Recipe(
        "tas_b",
        "arXiv:2104.06967",
        "Batches of one topic, a negative of every margin alike, drawn anew every epoch, and the teacher's margin "
        "as target. The paper adds in-batch distillation from ColBERT. Scale 1 is for teachers that score by cosine.",
        {
            "miner": {"name": "margin_balanced", "k": 1},
            "redraw": True,
            "training": {"batching": "topics", "loss": {"name": "margin_mse", "scale": 1.0}},
        },
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
