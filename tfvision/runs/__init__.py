"""The run folder: the names of its files, opening it, its images, going on with it."""
