"""Heads: what sits on top of a backbone."""
