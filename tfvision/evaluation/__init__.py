"""Evaluation: predictions, and the scores computed from them."""
