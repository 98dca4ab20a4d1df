"""Storage: folders, .zip and .tar files and arrays, read in place."""
