"""Ensembles: several models asked the same question."""
