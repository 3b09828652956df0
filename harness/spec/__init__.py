"""Frozen, validated descriptions of what is to be run; no behaviour beyond their identity."""

from harness.spec.base import STRICT, Component, MetricName, Spec
from harness.spec.mining import (
    Boundary,
    ConfirmSpec,
    Margin,
    MiningSpec,
    Mix,
    MixSpec,
    PositiveAgg,
    RepairAction,
    RepairSpec,
    Share,
    Shortage,
    SuspectSpec,
    Threshold,
)
from harness.spec.run import ArmSpec, DropOwn, FurtherSets, RunSpec
from harness.spec.search import BudgetSpec, GuardSpec, Minimised, PruneSpec, RangeSpec, Sampler, SearchSpec
from harness.spec.sweep import Amendment, Comparison, PlannedRun, SplitRoles, SweepPlan, SweepSpec
from harness.spec.training import EarlyStoppingSpec, TrainingSpec

__all__ = [
    "STRICT",
    "Amendment",
    "ArmSpec",
    "Boundary",
    "BudgetSpec",
    "Comparison",
    "Component",
    "ConfirmSpec",
    "DropOwn",
    "EarlyStoppingSpec",
    "FurtherSets",
    "GuardSpec",
    "Margin",
    "MetricName",
    "Minimised",
    "MiningSpec",
    "Mix",
    "MixSpec",
    "PlannedRun",
    "PositiveAgg",
    "PruneSpec",
    "RangeSpec",
    "RepairAction",
    "RepairSpec",
    "RunSpec",
    "Sampler",
    "SearchSpec",
    "Share",
    "Shortage",
    "Spec",
    "SplitRoles",
    "SuspectSpec",
    "SweepPlan",
    "SweepSpec",
    "Threshold",
    "TrainingSpec",
]
