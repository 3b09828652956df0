"""MLflow as a mirror of the results folder, and the dashboard that shows it."""

from harness.tracking.dashboard import Dashboard, start_dashboard
from harness.tracking.destination import Destination
from harness.tracking.mirror import Figure, Mirror, Summary, rebuild

__all__ = ["Dashboard", "Destination", "Figure", "Mirror", "Summary", "rebuild", "start_dashboard"]
