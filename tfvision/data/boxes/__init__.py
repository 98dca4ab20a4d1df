"""Boxes: one (xmin, ymin, xmax, ymax) for each image, where they come from and how they move with its pixels."""
