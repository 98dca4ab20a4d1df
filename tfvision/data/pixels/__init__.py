"""From the bytes of a file to pixels of the size a model wants."""
