"""Generated history for the demo, tests and benchmarks, with its command and its banner."""
