"""Ensembles: combine the predictions of several models."""
