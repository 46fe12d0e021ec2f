"""`python -m agent`, and the entry point of the frozen binary."""

from agent.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
