"""Pictures of data, training and results: one PNG file each."""
