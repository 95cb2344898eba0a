"""Localization and clustering metrics: pure functions on arrays."""
