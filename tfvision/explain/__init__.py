"""Where a model looked: maps over an image that say what spoke for a class."""
