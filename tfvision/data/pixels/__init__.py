"""Pixels: from the bytes of a file to an image of the size that a model takes."""
