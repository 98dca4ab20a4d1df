"""Prediction: a finished model asked, wherever it comes from."""
