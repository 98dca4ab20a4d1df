"""Robustness: how well a model copes as images get worse."""
