"""Prediction with a finished model: a run, a model file or a SavedModel."""
