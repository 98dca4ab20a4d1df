"""Arrays of images, their labels and groups."""
