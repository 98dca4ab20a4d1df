"""Boxes of images: one (xmin, ymin, xmax, ymax) each, where they come from and how they move."""
