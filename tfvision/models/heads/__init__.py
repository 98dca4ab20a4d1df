"""Heads: what stands on top of a backbone."""
