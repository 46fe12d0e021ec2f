"""Generated history for the demo, tests and benchmarks."""
