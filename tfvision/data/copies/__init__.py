"""Copies: exact and near ones."""
