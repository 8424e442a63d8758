"""The release, in one place. `pyproject.toml`, pages, workers, metrics and archives read it here."""

VERSION = "0.2.0"
