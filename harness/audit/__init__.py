"""What the chosen negatives are, and how well a rule tells false negatives from hard ones. Pure, no training."""

from harness.audit.chosen import auc, audit, difference_edges, is_hidden, negatives_digest, overlap, score_edges, yields

__all__ = ["auc", "audit", "difference_edges", "is_hidden", "negatives_digest", "overlap", "score_edges", "yields"]
