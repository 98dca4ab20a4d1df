"""Comparison: several runs on the same test images."""
