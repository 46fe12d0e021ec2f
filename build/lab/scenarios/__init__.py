"""One module a scenario: `add_options(parser)`, and `run(options)` that returns an exit code."""
