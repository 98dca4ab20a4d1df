"""Batches: which images come when, augmented, with their targets."""
