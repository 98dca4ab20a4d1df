"""Splits: training, validation and test parts, and folds."""
