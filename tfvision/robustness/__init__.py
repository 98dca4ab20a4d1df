"""Robustness: how far a model follows when images get worse."""
