"""What leaves a results folder for others and comes back: bundles, their checks, and published numbers."""
