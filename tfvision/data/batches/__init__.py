"""Batches: the order of the images, their augmentation and their targets."""
