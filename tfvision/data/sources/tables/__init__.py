"""CSV files that name images: columns, rows, parts, and pixels in cells."""
