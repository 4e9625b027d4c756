"""Runs `keyhouse` with a second for running calls to end instead of thirty: python impatient.py serve ..."""

from keyhouse.cli import main, serve

serve.DRAIN_SECONDS = 1  # type: ignore[misc]

if __name__ == "__main__":
    main.run()
