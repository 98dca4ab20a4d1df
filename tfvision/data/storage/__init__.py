"""Storage: folders, .zip files and arrays, read in place."""
