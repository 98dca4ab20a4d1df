"""Backbone and head, what is frozen, and where."""
